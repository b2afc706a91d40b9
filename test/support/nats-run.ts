/** Agents and servers around a broker, as processes; and what came of the frames in between. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostState } from '../../server/protocol/hosts.ts';
import { escapeHidden } from '../../server/protocol/plain.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { feed } from '../../server/tracer/tracer.ts';
import { framesOf } from '../fixtures/recordings.ts';
import { eventually, ROOT, RunningServer } from './cli.ts';
import type { RecordedAgent, Said } from './recorded-agent.ts';

export function scratch(): string {
  return mkdtempSync(join(tmpdir(), 'lastref-fleet-'));
}

/** A recorded agent in a process of its own. */
export class AgentProcess {
  said: Said | null = null;
  stderr = '';
  readonly #child: ChildProcess;

  constructor(options: RecordedAgent) {
    const file = `${ROOT}test/support/recorded-agent.ts`;
    this.#child = spawn(process.execPath, [file, JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let rest = '';
    this.#child.stdout!.on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      const last = lines.at(-1);
      if (last !== undefined) this.said = JSON.parse(last) as Said;
    });
    this.#child.stderr!.on('data', (text) => {
      this.stderr += text;
    });
  }

  /** It goes on where it was told to wait, up to so many frames. */
  go(frames = Number.POSITIVE_INFINITY): void {
    this.#child.stdin!.write(`${frames}\n`);
  }

  until(what: string, check: (said: Said) => boolean, ms = 60_000): Promise<void> {
    return eventually(
      ms,
      () => {
        if (this.#child.exitCode !== null) throw new Error(`the agent ended: ${this.stderr}`);
        return this.said !== null && check(this.said);
      },
      what,
    );
  }

  kill(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.#child.once('close', () => resolve());
      this.#child.kill('SIGKILL');
    });
  }
}

/** A running `lastref live --nats`, as soon as it serves. */
export async function liveFrom(urls: string, ...more: readonly string[]): Promise<RunningServer> {
  const server = new RunningServer(['live', '--nats', urls, '--port', '0', '--no-open', ...more]);
  await eventually(
    30_000,
    () => {
      if (server.child.exitCode !== null) throw new Error(`it ended: ${server.stderr}`);
      server.link = /http:\S+/.exec(server.stdout)?.[0] ?? '';
      return server.link !== '';
    },
    'the page',
  );
  return server;
}

/** Names of the hosts that this server follows. */
export async function ownHosts(server: RunningServer): Promise<string[]> {
  const hosts = await server.get<HostState[]>('/api/hosts');
  return hosts.filter(({ plan }) => plan !== null).map(({ host }) => host);
}

/** Whether the server has read all that a recorded agent has of a host. */
export async function isStopped(server: RunningServer, host: string): Promise<boolean> {
  const hosts = await server.get<HostState[]>('/api/hosts');
  return hosts.some((state) => state.host === host && state.message.startsWith('all was played'));
}

/** Each frame as kind and text, of each epoch of a host in a recording. */
export function framesIn(file: string, host: string): string[][] {
  const { epochs, frames } = framesOf(file);
  return epochs
    .filter((info) => info.host === host)
    .map(({ number }) => {
      return frames.filter(({ epoch }) => epoch === number).map(textOf);
    });
}

export function textOf({ kind, bytes }: { kind: string; bytes: Buffer }): string {
  return `${kind} ${bytes.toString('latin1')}`;
}

/** As `lastref report --json` prints it of a session that traced this itself. */
export function directReport(recording: string, host: string): string {
  const { epochs, frames } = framesOf(recording);
  const pipeline = new Pipeline({ ...epochs[0]!, host, number: 1 }, { keep: 20_000 });
  for (const { kind, bytes } of frames) feed(pipeline, kind, bytes);
  return escapeHidden(JSON.stringify(makeReport([pipeline])));
}
