/** One cell: the guest, a tracer in it by the product's own code, scenarios, churn. */

import { setTimeout as sleep } from 'node:timers/promises';
import { quote } from '../../server/host/agent.ts';
import { vmDown } from '../../server/host/vm.ts';
import { DEFAULT_ALERTING, LEAK_AFTER } from '../../server/protocol/config.ts';
import type { TraceEvent } from '../../server/protocol/events.ts';
import type { LineName } from '../../server/protocol/grammar.ts';
import { isObserved, STAGES, type Stage } from '../../server/protocol/stages.ts';
import type { RecordingWriter } from '../../server/recording/writer.ts';
import { Decoder } from '../../server/tracer/decoder.ts';
import type { Pipeline } from '../../server/tracer/pipeline.ts';
import { Session } from '../../server/tracer/session.ts';
import type { Tracer } from '../../server/tracer/tracer.ts';
import { type Given, LINES_OF_NO_INODE, type Scenario } from '../scenarios/expected.ts';
import { Guest } from '../support/guest.ts';
import { type Cell, nameOf } from './cells.ts';
import { type Account, asSeen, before, observed } from './observe.ts';

/** All that the scenarios touch. */
const FS = ['hugetlbfs', 'shmem', 'guest_memfd', 'ext4', 'proc'];
/** Scenarios are short: the pin of s07 lasts two seconds. */
const LEAK_AFTER_HERE = { ...LEAK_AFTER, pinned: 1e9, reservation: 2e9 };
/** Lazy RCU may hold a callback back for ten seconds. */
const SETTLE_MS = 25_000;
/** The losses of a churn are read and told each second; an emulated guest catches up slowly. */
const BALANCE_MS = 90_000;

/** What one churn did to the account. */
export interface Churn {
  readonly made: number;
  readonly seconds: number;
  /** Inodes of hugetlbfs that the model saw end. */
  readonly ended: number;
  /** By place, of this churn. */
  readonly hits: number;
  readonly decoded: number;
  readonly notRun: number | null;
  readonly ringBuffer: number;
  readonly mapFull: number;
  readonly rejected: number;
  /** As the ledger says. Null: this kernel does not count every run that it skips. */
  readonly balanced: boolean | null;
  /** The kernel's count of inodes whose end was told. */
  readonly endsHit: number;
}

export class CellRun {
  readonly cell: Cell;
  readonly guest: Guest;
  #session: Session | null = null;
  /** Events of no inode: the model does not keep them. */
  readonly #others: TraceEvent[] = [];

  private constructor(cell: Cell, guest: Guest) {
    this.cell = cell;
    this.guest = guest;
  }

  /** Boots the guest; one whose kernel has complained before is booted anew. */
  static async up(cell: Cell): Promise<CellRun> {
    const name = `vm:${cell.kernel}`;
    let guest = await Guest.up(name);
    if ((await guest.death()) !== null) {
      await vmDown(cell.kernel);
      guest = await Guest.up(name);
    }
    return new CellRun(cell, guest);
  }

  /**
   * Attaches and waits until the tracer is ready. Rejects with what bpftrace said.
   * @param fs by default all that the scenarios touch
   */
  async attach(fs: readonly string[] = FS, recording?: RecordingWriter): Promise<void> {
    const { family, detail, bpftrace } = this.cell;
    const decoder = new Decoder({
      event: (event) => {
        if ((LINES_OF_NO_INODE as readonly string[]).includes(event.kind)) this.#others.push(event);
      },
      hits: () => {},
      lost: () => {},
      full: () => {},
      kept: () => {},
      frame: () => {},
      program: () => {},
      rejected: () => {},
    });
    this.#session = new Session([this.guest.host], {
      trace: {
        fs,
        detail,
        families: family === 'fentry' ? ['fentry', 'kprobe', 'tracepoint'] : ['kprobe'],
        bpftrace: `/usr/local/bin/bpftrace-${bpftrace}`,
        stepsBelow: 5000,
      },
      keep: 200_000,
      alerts: { ...DEFAULT_ALERTING, leak_after: LEAK_AFTER_HERE },
      workload: nameOf(this.cell),
      onFrame: (epoch, kind, bytes) => {
        if (kind === 'out') decoder.push(bytes);
        recording?.frame(epoch.number, kind, bytes, Date.now());
      },
      onEpoch: (pipeline) => recording?.epoch(pipeline.info),
    });
    this.#session.start();
    await this.#tracer!.ready();
  }

  get pipeline(): Pipeline {
    return this.#tracer!.pipeline!;
  }

  /** `uname -r` of the guest and the version of its bpftrace; empty when it never answered. */
  get kernel(): string {
    return this.#tracer?.facts?.kernel ?? '';
  }

  get bpftrace(): string {
    return this.#tracer?.facts?.bpftrace ?? '';
  }

  /** Stages that are not observed, and why. */
  get missing(): Partial<Record<Stage, string>> {
    const plan = this.#tracer?.pipeline?.info.plan;
    if (plan === undefined) return {};
    return Object.fromEntries(
      STAGES.flatMap((stage) => {
        const entry = plan[stage];
        return isObserved(entry) ? [] : [[stage, entry.missing]];
      }),
    );
  }

  get #tracer(): Tracer | undefined {
    return this.#session?.tracers[0];
  }

  /**
   * Runs a scenario; what it must have done, and what was seen of it, once both agree or
   * time is up. `lost`: events that were lost meanwhile, by the ledger.
   */
  async scenario(scenario: Scenario): Promise<{ expected: Account; seen: Account; lost: number }> {
    const program = await this.guest.push(scenario.name);
    const { model } = this.pipeline;
    const available = Number(
      await this.guest.sh(
        `awk '/^HugePages_Free/{f=$2} /^HugePages_Rsvd/{print f-$2}' /proc/meminfo`,
      ),
    );
    const argument = (await this.guest.sh(scenario.prepare ?? 'true')).trim();
    // what came before may have been so much that only ends are told
    const calm = Date.now() + SETTLE_MS;
    while (this.cell.detail === 'auto' && !model.detail.steps && Date.now() < calm)
      await sleep(100);
    const began = before(model);
    const lostBefore = this.pipeline.ledger.lostEvents;
    const output = await this.guest.sh(`${program} ${argument === '' ? '' : quote(argument)}`);
    const steps = stepsOf(output);
    await this.guest.sh(scenario.cleanUp ?? 'true');
    const given: Given = {
      kernel: this.cell.kernel,
      available,
      said: (key) => {
        const found = new RegExp(`"${key}":(-?\\d+)`).exec(output)?.[1];
        return found === undefined ? null : Number(found);
      },
    };
    const identities = new Map(steps.map((step) => [step.step, `${step.dev} ${step.ino}`]));
    const expected = asSeen(scenario.expected(given), model.plan, identities, this.cell.detail);
    const known = new Set(expected.inodes.map((inode) => inode.identity));
    const look = () =>
      observed(model, began, steps[0]!.pid, this.#others, known, scenario.own, this.cell.detail);
    const until = Date.now() + SETTLE_MS;
    let seen = look();
    while (JSON.stringify(seen) !== JSON.stringify(expected) && Date.now() < until) {
      await sleep(250);
      seen = look();
    }
    return { expected, seen, lost: this.pipeline.ledger.lostEvents - lostBefore };
  }

  /** Makes and drops `count` inodes as fast as the guest can, and waits for the account. */
  async churn(count: number): Promise<Churn> {
    const program = await this.guest.push('memfd_churn');
    const { ledger, model } = this.pipeline;
    const ends: LineName = this.pipeline.info.detail === 'steps' ? 'i_callback' : 'life';
    const endsHit = () => ledger.rows().find(({ line }) => line === ends)?.ledger.kernel_hits ?? 0;
    const ended = () => model.inodes.filesystems.counts.get('hugetlbfs')?.ended ?? 0;
    // what is still on its way of before would be counted to neither side
    await this.#calm(3, ended);
    const start = { totals: ledger.totals(), ended: ended(), hit: endsHit() };
    const began = Date.now();
    await this.guest.sh(`${program} ${count}`);
    const seconds = (Date.now() - began) / 1000;
    await this.#calm(8, ended);
    const totals = ledger.totals();
    const since = (key: 'kernel_hits' | 'decoded' | 'ring_buffer' | 'map_full' | 'rejected') =>
      totals[key] - start.totals[key];
    return {
      made: count,
      seconds,
      ended: ended() - start.ended,
      hits: since('kernel_hits'),
      decoded: since('decoded'),
      notRun: totals.not_run === null ? null : totals.not_run - (start.totals.not_run ?? 0),
      ringBuffer: since('ring_buffer'),
      mapFull: since('map_full'),
      rejected: since('rejected'),
      balanced: totals.balanced,
      endsHit: endsHit() - start.hit,
    };
  }

  /**
   * Waits until the account is balanced, no line waits for one of another CPU, and what
   * `moves` says has not moved, for so many halves of a second. Other inodes of the guest
   * end all the time.
   */
  async #calm(wanted: number, moves: () => number): Promise<void> {
    const { pipeline } = this;
    const { ledger, info } = pipeline;
    const until = Date.now() + BALANCE_MS;
    let calm = 0;
    for (let last = -1; Date.now() < until && calm < wanted; ) {
      await sleep(500);
      const { balanced, in_flight } = ledger.totals();
      const good = balanced === (info.counts_misses ? true : null);
      const now = moves();
      const told = in_flight === 0 && good && pipeline.waiting.ns < 1e9;
      calm = now === last && told ? calm + 1 : 0;
      last = now;
    }
  }

  async stop(): Promise<void> {
    await this.#session?.stop();
  }
}

interface Step {
  readonly step: string;
  readonly pid: number;
  readonly dev: string;
  readonly ino: number;
}

function stepsOf(output: string): Step[] {
  const lines = output.split('\n').filter((line) => line.startsWith('{"t":"step"'));
  return lines.map((line) => JSON.parse(line) as Step);
}
