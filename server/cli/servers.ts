/** Where a running server leaves its address and token, for `lastref report` of the same user. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Web } from '../web/server.ts';

function folder(): string {
  return join(process.env.XDG_RUNTIME_DIR ?? join(homedir(), '.cache'), 'lastref');
}

function fileOf(port: number): string {
  return join(folder(), `server-${port}.json`);
}

export function rememberServer(web: Web): void {
  const file = fileOf(web.port);
  mkdirSync(folder(), { recursive: true, mode: 0o700 });
  forgetDeadServers();
  const { port, token, localOrigin, certificate } = web;
  const { pid } = process;
  const remembered = { pid, start: startOf(pid), port, token, origin: localOrigin, certificate };
  rmSync(file, { force: true }); // the mode is that of a new file
  writeFileSync(file, JSON.stringify(remembered), { flag: 'wx', mode: 0o600 });
}

export function forgetServer(port: number): void {
  rmSync(fileOf(port), { force: true });
}

/** One that was killed leaves its word behind; its pid may be another process by now. */
function forgetDeadServers(): void {
  for (const name of readdirSync(folder())) {
    if (!/^server-\d+\.json$/.test(name)) continue;
    const file = join(folder(), name);
    try {
      const { pid, start } = JSON.parse(readFileSync(file, 'utf8')) as {
        pid?: unknown;
        start?: unknown;
      };
      const now = typeof pid === 'number' ? startOf(pid) : null;
      // a word without a start is of an older lastref: as long as there is such a process
      if (now === null || (start !== undefined && start !== now)) rmSync(file, { force: true });
    } catch {
      // not for this user to read or to remove, or gone meanwhile
    }
  }
}

/** When a process began, in ticks since boot (proc_pid_stat(5), field 22), and which boot; null: there is none. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!;
    return `${ticks} ${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}`;
  } catch {
    return null;
  }
}

export interface RunningServer {
  readonly origin: string;
  readonly token: string;
  /** What it shows under TLS, PEM; null: it speaks plain text. */
  readonly certificate: string | null;
}

/** The server of this user on this port; null when none has left word. */
export function serverOn(port: number): RunningServer | null {
  try {
    return JSON.parse(readFileSync(fileOf(port), 'utf8')) as RunningServer;
  } catch {
    return null;
  }
}

/** Asks it with its token. Rejects with the system's error when nobody answers. */
export function askServer(
  server: RunningServer,
  path: string,
): Promise<{ readonly status: number; readonly text: string }> {
  const { origin, token, certificate } = server;
  const headers = { Authorization: `Bearer ${token}` };
  // its very certificate, whoever has signed it and whatever name is in it
  const pinned =
    certificate === null
      ? {}
      : { ca: certificate, allowPartialTrustChain: true, checkServerIdentity: () => undefined };
  return new Promise((resolve, reject) => {
    const get = certificate === null ? http.get : https.get;
    get(`${origin}${path}`, { headers, ...pinned }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() });
      });
    }).on('error', reject);
  });
}
