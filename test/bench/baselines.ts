/** Others that read as many events, on this machine and in the same run. */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Decoder } from '../../server/tracer/decoder.ts';
import type { Input } from './repeat.ts';

export interface Baseline {
  readonly name: string;
  /** Events a second. */
  readonly rate: number;
}

/** `jq` reads the first events of the input as NDJSON, and counts them. */
export function jqBaseline(input: Input, events: number): Baseline {
  return inTemporaryDirectory((directory) => {
    const file = join(directory, 'events.ndjson');
    const written = writeNdjson(file, input, events);
    const began = performance.now();
    const count = execFileSync('jq', ['-n', 'reduce inputs as $event (0; . + 1)', file], {
      encoding: 'utf8',
    });
    const seconds = (performance.now() - began) / 1000;
    if (Number(count) !== written) throw new Error(`jq read ${count.trim()} of ${written} events`);
    return { name: 'jq', rate: Math.round(written / seconds) };
  });
}

function writeNdjson(file: string, input: Input, events: number): number {
  const fd = openSync(file, 'w');
  let written = 0;
  let lines: string[] = [];
  const ignore = () => {};
  const sink = { hits: ignore, lost: ignore, full: ignore, kept: ignore, frame: ignore };
  const decoder = new Decoder({
    ...sink,
    program: ignore,
    rejected: ignore,
    event: (event) => lines.push(JSON.stringify(event)),
  });
  for (const { kind, bytes } of input.frames) {
    if (kind === 'out') decoder.push(bytes);
    if (lines.length > 0) writeSync(fd, `${lines.join('\n')}\n`);
    written += lines.length;
    lines = [];
    if (written >= events) break;
  }
  closeSync(fd);
  return written;
}

/**
 * `perf script` prints events of perf's own: each call of read(2) and write(2) of a
 * process that does nothing else, as it enters and returns. Null where perf cannot
 * record them here; why, goes to standard error.
 */
export function perfBaseline(events: number): Baseline | null {
  return inTemporaryDirectory((directory) => {
    const file = join(directory, 'perf.data');
    const dd = ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', `count=${Math.ceil(events / 4)}`];
    const what = ['-e', 'raw_syscalls:sys_enter', '-e', 'raw_syscalls:sys_exit', '-m', '64M'];
    const record = spawnSync('perf', ['record', '-q', ...what, '-o', file, '--', ...dd], {
      encoding: 'utf8',
    });
    if (record.error !== undefined || record.status !== 0) {
      const why = record.error?.message ?? record.stderr.trim().split('\n').slice(0, 2).join(' ');
      process.stderr.write(`no comparison with perf script: perf record says: ${why}\n`);
      return null;
    }
    const began = performance.now();
    const script = spawnSync('sh', ['-c', `perf script -i '${file}' 2>/dev/null | wc -l`], {
      encoding: 'utf8',
    });
    const seconds = (performance.now() - began) / 1000;
    const count = Number(script.stdout);
    if (!(count > 0)) {
      process.stderr.write('no comparison with perf script: it printed nothing\n');
      return null;
    }
    return { name: 'perf script', rate: Math.round(count / seconds) };
  });
}

function inTemporaryDirectory<T>(use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'lastref-bench-'));
  try {
    return use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
