/** The word that a running server leaves for `lastref report`, and who takes it away. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { forgetServer, rememberServer, serverOn } from '../../server/cli/servers.ts';
import type { Web } from '../../server/web/server.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'lastref-servers-'));
  mkdirSync(join(home, 'lastref'));
  vi.stubEnv('XDG_RUNTIME_DIR', home);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

const web = (port: number) => {
  return { port, token: 't', localOrigin: `http://127.0.0.1:${port}`, certificate: null } as Web;
};
const there = () => readdirSync(join(home, 'lastref')).sort();
const leave = (name: string, what: object | string) => {
  const text = typeof what === 'string' ? what : JSON.stringify(what);
  writeFileSync(join(home, 'lastref', name), text);
};

it('a server that starts removes the word of those that are gone, and of no other', async () => {
  const ended = spawn('true');
  await new Promise((resolve) => ended.once('close', resolve));
  rememberServer(web(1000));
  const running = JSON.parse(readFileSync(join(home, 'lastref', 'server-1000.json'), 'utf8'));
  leave('server-1001.json', { pid: ended.pid, port: 1001 });
  // its pid is that of another process by now, or of this boot
  leave('server-1002.json', { ...running, start: `1 ${running.start.split(' ')[1]}` });
  leave('server-1003.json', { ...running, start: running.start.replace(/ .*/, ' other-boot') });
  // as an older lastref wrote it
  leave('server-1004.json', { pid: process.pid, port: 1004 });
  leave('server-1005.json', 'cut off');
  leave('server-x.json', { pid: ended.pid });
  rememberServer(web(1006));
  expect(there()).toEqual(
    ['1000', '1004', '1005', '1006', 'x'].map((name) => `server-${name}.json`),
  );
  expect(serverOn(1006)).toMatchObject({ origin: 'http://127.0.0.1:1006', token: 't' });
  forgetServer(1006);
  expect(serverOn(1006)).toBeNull();
});
