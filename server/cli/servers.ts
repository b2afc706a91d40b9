/** Where a running server leaves its link, for `lastref report` of the same user. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Web } from '../web/server.ts';

function fileOf(port: number): string {
  const base = process.env.XDG_RUNTIME_DIR ?? join(homedir(), '.cache');
  return join(base, 'lastref', `server-${port}.json`);
}

export function rememberServer(web: Web): void {
  const file = fileOf(web.port);
  mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 });
  writeFileSync(file, JSON.stringify({ pid: process.pid, port: web.port, token: web.token }), {
    mode: 0o600,
  });
}

export function forgetServer(port: number): void {
  rmSync(fileOf(port), { force: true });
}

/** The token of the server on this port; null when none was left there. */
export function tokenOf(port: number): string | null {
  try {
    return (JSON.parse(readFileSync(fileOf(port), 'utf8')) as { token: string }).token;
  } catch {
    return null;
  }
}
