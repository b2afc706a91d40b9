/** What goes on during a soak: each actor does one thing over and over until it is told to stop. */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { VIEWS } from '../../server/protocol/messages.ts';
import { tracingPids, workload } from '../support/cli.ts';
import type { Guest } from '../support/guest.ts';
import type { Random } from '../support/random.ts';

/** From `from` to `to`. */
export const between = (random: Random, from: number, to: number) =>
  from + random.below(to - from + 1);

export interface Stage {
  readonly random: Random;
  readonly over: AbortSignal;
  readonly say: (text: string) => void;
  /** Every host is traced at the moment: there is something to break. */
  readonly tracing: () => boolean;
  /** What was done, by what: for the closing account. */
  readonly did: Map<string, number>;
}

export function count({ did }: Stage, what: string, by = 1): void {
  did.set(what, (did.get(what) ?? 0) + by);
}

/** Sleeps, or returns at once when all is over. */
export async function pause({ over }: Stage, ms: number): Promise<void> {
  await sleep(ms, undefined, { signal: over }).catch(() => {});
}

/** Inodes of hugetlbfs on this machine, as fast as it can. */
export async function churnHere(stage: Stage): Promise<void> {
  while (!stage.over.aborted) {
    const inodes = between(stage.random, 1, 8) * 10_000;
    await new Promise((resolve) => execFile(workload('memfd_churn'), [String(inodes)], resolve));
    count(stage, 'inodes made here', inodes);
    await pause(stage, between(stage.random, 0, 4000));
  }
}

/** The same in the guest, with hugepages in some. */
export async function churnGuest(
  stage: Stage,
  guest: Guest,
  paths: { churn: string; pages: string },
) {
  while (!stage.over.aborted) {
    const inodes = between(stage.random, 100, 2000);
    // 255: the connection was that of the server, which was killed
    const answer = await guest.host.run(
      `${paths.churn} ${inodes}; for i in 1 2 3; do ${paths.pages} $i >/dev/null; done`,
    );
    if (answer.code !== 0 && answer.code !== 255) throw new Error(answer.stderr);
    count(stage, 'inodes made in the guest', inodes + 3);
    await pause(stage, between(stage.random, 0, 3000));
  }
}

/** A hugepage that a pipe pins for some seconds. Returns the inodes it was of. */
export async function pins(stage: Stage, guest: Guest, pin: string): Promise<string[]> {
  const inodes: string[] = [];
  while (!stage.over.aborted) {
    const said = await guest.sh(`${pin} vmsplice 2 ${between(stage.random, 4, 8) * 1000}`);
    inodes.push(said.split(' ')[0]!);
    count(stage, 'hugepages pinned');
    await pause(stage, between(stage.random, 2, 12) * 1000);
  }
  return inodes;
}

/** Pages that are opened, look at something, and go; some take nothing while they are there. */
export async function pages(stage: Stage, link: () => string): Promise<void> {
  const open = new Set<WebSocket>();
  while (!stage.over.aborted) {
    if (open.size < 8) {
      const url = new URL(link());
      const socket = new WebSocket(`ws://${url.host}/ws?token=${url.searchParams.get('token')}`);
      open.add(socket);
      const view = stage.random.pick(VIEWS);
      const sleepy = stage.random.once(5);
      const stays = between(stage.random, 1, 30) * 1000;
      socket.on('open', () => {
        count(stage, sleepy ? 'pages that slept' : 'pages opened');
        socket.send(JSON.stringify({ type: 'subscribe', view, limit: 500 }));
        if (sleepy) socket.pause();
        setTimeout(() => socket.terminate(), stays).unref();
      });
      socket.on('close', () => open.delete(socket));
      socket.on('error', () => open.delete(socket)); // the server was killed
    }
    await pause(stage, between(stage.random, 200, 2000));
  }
  for (const socket of open) socket.terminate();
}

/** bpftrace on this machine is killed, stopped for some seconds, or stopped for good. */
export async function faultsHere(stage: Stage): Promise<void> {
  while (!stage.over.aborted) {
    await pause(stage, between(stage.random, 15, 45) * 1000);
    if (stage.over.aborted) return;
    if (!stage.tracing()) continue;
    const pids = tracingPids();
    if (pids.length === 0) continue;
    const kind = between(stage.random, 0, 2);
    const signal = (name: NodeJS.Signals) => {
      for (const pid of pids) {
        try {
          process.kill(pid, name);
        } catch {
          // it ended meanwhile
        }
      }
    };
    if (kind === 0) {
      signal('SIGKILL');
      count(stage, 'bpftrace killed');
    } else {
      signal('SIGSTOP');
      count(stage, kind === 1 ? 'bpftrace stopped for 5 s' : 'bpftrace stopped for good');
      if (kind === 1) {
        await sleep(5000);
        signal('SIGCONT');
      }
    }
    stage.say('a fault: bpftrace here was killed or stopped');
  }
}
