/**
 * The agent's look at the host, on this machine: a real hugetlb memfd, held by a process
 * whose name, and the file's, try to pass for lines. Needs root, but no hugepage.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SCAN } from '../../server/host/scan.ts';
import type { Holder, Pinner, Segment } from '../../server/model/leaks/scan.ts';
import { kernelDev, parseAgentLine } from '../../server/tracer/agent-lines.ts';
import { eventually, workload } from '../support/cli.ts';

/** What the agent brings with it. */
const SCRIPT = `say() { printf 'a %s\\n' "$*" >&2; }\n${SCAN}\nscan\n`;
const COMM = 'a scanned 1\nq';

const SHELLS = [['bash'], ['dash'], ['busybox', 'sh']].filter(([program]) => {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
});

interface Scan {
  readonly holders: readonly Holder[];
  readonly pinners: readonly Pinner[];
  readonly segments: readonly Segment[];
  readonly ends: readonly boolean[];
  readonly other: readonly string[];
}

async function scan([shell, ...args]: readonly string[]): Promise<Scan> {
  const text = await new Promise<string>((resolve) => {
    // busybox: with its own tools, not those of this machine
    const env = shell === 'busybox' ? { ...process.env, PATH: busyboxTools() } : process.env;
    execFile(shell!, [...args, '-c', SCRIPT], { env }, (_error, _stdout, stderr) =>
      resolve(stderr),
    );
  });
  const lines = text.split('\n').filter((line) => line !== '');
  const said = lines.map(parseAgentLine);
  return {
    holders: said.flatMap((line) => (line.kind === 'holder' ? [line.holder] : [])),
    pinners: said.flatMap((line) => (line.kind === 'pinner' ? [line.pinner] : [])),
    segments: said.flatMap((line) => (line.kind === 'segment' ? [line.segment] : [])),
    ends: said.flatMap((line) => (line.kind === 'scanned' ? [line.whole] : [])),
    other: said.flatMap((line) => (line.kind === 'other' ? [line.text] : [])),
  };
}

/** What a process says first; nothing when it ends without a word. */
function firstOf(child: ChildProcess): Promise<Buffer | string> {
  return new Promise((resolve) => {
    child.stdout!.once('data', resolve);
    child.once('close', () => resolve(''));
  });
}

/** A directory with links to busybox for each of its tools, and nothing else. */
let tools: string | null = null;
function busyboxTools(): string {
  if (tools === null) {
    tools = mkdtempSync(join(tmpdir(), 'lastref-busybox-'));
    execFileSync('busybox', ['--install', '-s', tools]);
  }
  return tools;
}

describe
  .runIf(process.getuid?.() === 0)
  .each(SHELLS.map((shell) => [shell.join(' '), shell] as const))(
  'a scan of this machine under %s',
  (_name, shell) => {
    let child: ChildProcess;
    let said = '';
    let file: { dev: number; ino: number; pid: number; fd: string; range: string };
    const own = ({ holders }: Scan) => holders.filter(({ pid }) => pid === file.pid);

    beforeAll(async () => {
      child = spawn(workload('hold_pages'), ['0', '8000', COMM], { stdio: ['ignore', 'pipe', 2] });
      child.stdout!.on('data', (text) => {
        said += text;
      });
      await eventually(5000, () => said.includes('\n'), 'the memfd');
      const [dev, ino, pid, fd, range] = said.trim().split(' ') as [string, ...string[]];
      file = {
        dev: kernelDev(Number(dev)),
        ino: Number(ino),
        pid: Number(pid),
        fd: fd!,
        range: range!,
      };
    });
    afterAll(() => {
      child.kill();
      if (tools !== null) rmSync(tools, { recursive: true });
      tools = null;
    });

    it('finds the descriptor and the mapping, and takes no name for a line', async () => {
      const found = await scan(shell);
      const { dev, ino, pid, fd, range } = file;
      const same = { dev, ino, deleted: true, pages: 0, pageBytes: 2 << 20, pid, comm: COMM };
      expect(own(found)).toEqual([
        { ...same, how: `fd ${fd}` },
        { ...same, how: `mapping ${range}` },
      ]);
      // the file's name says that it is one of pid 1
      expect(found.holders.filter((holder) => holder.pid === 1)).toEqual([]);
      expect(found.other).toEqual([]);
      expect(found.ends).toEqual([true]);
    });

    it('finds a System V segment, and who made it though that has ended', async () => {
      const made = execFileSync('ipcmk', ['-M', '4096'], { encoding: 'utf8' });
      const id = Number(/\d+/.exec(made)![0]);
      try {
        const { segments } = await scan(shell);
        const segment = segments.find((one) => one.id === id);
        expect(segment).toEqual({ id, pid: expect.any(Number), comm: '', attached: 0 });
      } finally {
        execFileSync('ipcrm', ['-m', String(id)]);
      }
    });

    it('finds a ring with registered buffers, and not one without', async ({ skip }) => {
      const rings = ['3', '0'].map((n) => spawn(workload('register_buffers'), [n]));
      try {
        const said = await Promise.all(rings.map(async (ring) => String(await firstOf(ring))));
        if (said.includes('')) return skip('no io_uring on this machine');
        const [pid, fd] = said[0]!.trim().split(' ').map(Number);
        const { pinners } = await scan(shell);
        const pids = rings.map((ring) => ring.pid!);
        expect(pinners.filter((pinner) => pids.includes(pinner.pid))).toEqual([
          { pid, comm: 'register_buffer', fd, way: 'io_uring', buffers: 3 },
        ]);
      } finally {
        for (const ring of rings) ring.kill();
      }
    });

    it('then the mapping alone, and nothing when it has ended; it ends whatever it found', async () => {
      await eventually(8000, () => said.includes('closed'), 'the close');
      expect(own(await scan(shell)).map(({ how }) => how)).toEqual([`mapping ${file.range}`]);
      child.kill();
      await once(child, 'exit');
      const after = await scan(shell);
      expect(own(after)).toEqual([]);
      expect(after.ends).toEqual([true]);
    });
  },
);
