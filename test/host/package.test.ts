/** The npm package: made, installed where nothing else is, and used from there. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { VERSION } from '../../server/protocol/version.ts';
import { eventually, lastref, ROOT, RunningServer } from '../support/cli.ts';

const SAMPLE = `${ROOT}samples/demo-6.12.lastref`;
const folder = mkdtempSync(join(tmpdir(), 'lastref-package-'));
const installed = join(folder, 'node_modules/lastref');
const MAIN = join(folder, 'node_modules/.bin/lastref');
afterAll(() => rmSync(folder, { recursive: true }));

function npm(cwd: string, ...args: string[]): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', timeout: 240_000 });
}

let packed: { filename: string; files: { path: string }[] };
beforeAll(() => {
  const [made] = JSON.parse(npm(ROOT, 'pack', '--json', '--pack-destination', folder));
  packed = made;
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  npm(folder, 'install', '--no-audit', '--no-fund', '--loglevel=error', packed.filename);
});

it('holds JavaScript, the page, the programs and the recipe of the guest, but no tests', () => {
  const paths = packed.files.map(({ path }) => path);
  for (const path of [
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'dist/bin/lastref.cjs',
    'dist/server/cli/main.js',
    'dist/dashboard/dist/index.html',
    'dist/bpf/teardown.bt',
    'dist/scripts/vm/build-image.sh',
    'dist/samples/demo-6.12.lastref',
    'dist/man/lastref.1',
    'dist/completion/lastref',
    'packaging/systemd/lastref-server.service',
    'docs/config.example.yaml',
  ]) {
    expect(paths).toContain(path);
  }
  expect(paths.filter((path) => /\.tsx?$|(^|\/)test\/|\.test\./.test(path))).toEqual([]);
  const programs = readdirSync(`${ROOT}bpf`).filter((name) => name.endsWith('.bt'));
  expect(readdirSync(`${installed}/dist/bpf`)).toEqual(expect.arrayContaining(programs));
});

it('says its version, by npx as well', async () => {
  expect(await lastref(['--version'], {}, MAIN)).toMatchObject({ code: 0, stdout: `${VERSION}\n` });
  expect(npm(folder, 'exec', '--offline', '--', 'lastref', '--version')).toBe(`${VERSION}\n`);
});

it('sees on this machine what the checkout sees', async () => {
  const args = ['doctor', '--host', 'local', '--json'];
  const here = await lastref(args);
  const there = await lastref(args, {}, MAIN);
  expect(there.code).toBe(here.code);
  expect(there.stdout).toBe(here.stdout);
});

it('reports the same of a recording', async () => {
  const here = await lastref(['report', SAMPLE, '--json']);
  const there = await lastref(
    ['report', `${installed}/dist/samples/demo-6.12.lastref`, '--json'],
    {},
    MAIN,
  );
  expect(there.code).toBe(0);
  expect(JSON.parse(there.stdout)).toEqual(JSON.parse(here.stdout));
});

it('replays the sample that came with it, and serves the page', async () => {
  const args = [
    'replay',
    `${installed}/dist/samples/demo-6.12.lastref`,
    '--port',
    '0',
    '--no-open',
  ];
  const server = new RunningServer([...args, '--speed', 'max'], MAIN);
  try {
    await eventually(60_000, () => {
      if (server.child.exitCode !== null) throw new Error(server.stderr);
      server.link = /http:\S+/.exec(server.stdout)?.[0] ?? '';
      return server.link !== '';
    });
    const url = new URL(server.link);
    const get = (path: string) =>
      fetch(new URL(path, url), {
        headers: { Authorization: `Bearer ${url.searchParams.get('token')}` },
      });
    const page = await (await get('/')).text();
    const script = /src="(?:\.\/|\/)?([^"]+\.js)"/.exec(page)![1]!;
    expect((await get(`/${script}`)).headers.get('content-type')).toContain('javascript');
    await eventually(60_000, async () => (await server.report()).inodes.ended === 193, 'the end');
  } finally {
    expect(await server.stop()).toBe(0);
  }
});

it('tells an old Node what is wrong', () => {
  const old = `Object.defineProperty(process.versions, 'node', { value: '18.19.0' }); process.argv = ['node', 'lastref']; require(${JSON.stringify(`${installed}/dist/bin/lastref.cjs`)});`;
  const script = `${process.execPath} -e "$0" 2>&1; echo "code $?"`;
  const said = execFileSync('sh', ['-c', script, old], { encoding: 'utf8' });
  expect(said).toMatch(/^lastref: it needs Node 24 or newer; this is 18\.19\.0\n/);
  expect(said).toContain('code 2');
});
