import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LINES, type LineName } from '../../server/protocol/grammar.ts';
import { COUNTED_LINES, trackOf, UNCOUNTED_LINES } from '../../server/protocol/line-kinds.ts';
import { TracerLedger } from '../../server/tracer/ledger.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { epochOf, lines } from '../fixtures/trace.ts';
import { runs } from '../support/runs.ts';

const NAMES = ['evict', 'destroy_inode', 'i_callback'] as const satisfies LineName[];
type Name = (typeof NAMES)[number];

/** What becomes of a hit of a probe. `vanished` is what must never be taken for balanced. */
const FATES = ['arrives', 'arrives', 'arrives', 'lost', 'rejected', 'not_run', 'vanished'] as const;
type Fate = (typeof FATES)[number];

type Step =
  | { readonly kind: 'hit'; readonly name: Name; readonly fate: Fate }
  /** 100 ms later. What was in bpftrace's buffer has come before it. */
  | { readonly kind: 'tick' }
  /** print(@hits), each second; by one bpftrace alone, or by both at once. */
  | { readonly kind: 'hits'; readonly track?: 0 | 1 }
  /** The agent reads recursion_misses. */
  | { readonly kind: 'misses' }
  | { readonly kind: 'restart' };

/**
 * The truth: every hit by its fate, in one list, and what has been told of it. All
 * answers are counted out of that list anew; nothing is kept.
 */
class Reference {
  readonly ledger: TracerLedger;
  readonly all: { name: Name; fate: Fate; run: number }[] = [];
  run = 0;
  knowsMisses = false;
  toldMisses = new Map<Name, number>();
  readonly countsMisses: boolean;

  /** `countsMisses`: this kernel counts each run that it skips. */
  constructor(countsMisses = true) {
    this.countsMisses = countsMisses;
    this.ledger = new TracerLedger(new Map(), countsMisses);
  }

  /** Lost since bpftrace said so last. */
  #untold = 0;

  count(fate: Fate | 'ran', of: { name?: Name; run?: number } = {}): number {
    return this.all.filter(
      (hit) =>
        (hit.fate === fate || (fate === 'ran' && hit.fate !== 'not_run')) &&
        (of.name === undefined || hit.name === of.name) &&
        (of.run === undefined || hit.run === of.run),
    ).length;
  }

  do(step: Step): void {
    switch (step.kind) {
      case 'hit':
        this.all.push({ name: step.name, fate: step.fate, run: this.run });
        if (step.fate === 'arrives') this.ledger.decoded(step.name);
        if (step.fate === 'rejected') this.ledger.rejected++;
        if (step.fate === 'lost') this.#untold++;
        return;
      case 'tick':
        // bpftrace looks for losses whenever it reads its buffer
        if (this.#untold > 0) this.ledger.lost(this.#untold);
        this.#untold = 0;
        this.ledger.decoded('tick');
        return;
      case 'hits':
        for (const name of NAMES) {
          if (step.track !== undefined && trackOf(name) !== step.track) continue;
          const n = this.count('ran', { name, run: this.run });
          if (n > 0) this.ledger.hits(LINES[name].id, n);
        }
        return;
      case 'misses':
        this.knowsMisses = this.countsMisses;
        for (const name of NAMES) {
          const n = this.count('not_run', { name });
          this.ledger.missed(name, n - (this.toldMisses.get(name) ?? 0));
          this.toldMisses.set(name, n);
        }
        return;
      case 'restart':
        this.ledger.endRun();
        this.run++;
        this.#untold = 0;
        return;
    }
  }

  /** Nothing happens for three seconds; the counters are told as always. */
  rest(): void {
    for (let second = 0; second < 3; second++) {
      for (let i = 0; i < 10; i++) this.do({ kind: 'tick' });
      this.do({ kind: 'hits' });
      this.do({ kind: 'misses' });
    }
    for (let i = 0; i < 5; i++) this.do({ kind: 'tick' });
  }
}

const hit = (fates: readonly Fate[]) =>
  fc.record({
    kind: fc.constant('hit' as const),
    name: fc.constantFrom(...NAMES),
    fate: fc.constantFrom(...fates),
  });

const hitsOf = (track: 0 | 1): Step => ({ kind: 'hits', track });

function program(fates: readonly Fate[], restarts: boolean): fc.Arbitrary<Step[]> {
  const step = fc.oneof(
    { weight: 6, arbitrary: hit(fates) },
    { weight: 4, arbitrary: fc.constant<Step>({ kind: 'tick' }) },
    { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: 'hits' }, hitsOf(0), hitsOf(1)) },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: 'misses' }) },
    ...(restarts ? [{ weight: 1, arbitrary: fc.constant<Step>({ kind: 'restart' }) }] : []),
  );
  return fc.array(step, { maxLength: 60, size: 'max' });
}

const HONEST = FATES.filter((fate) => fate !== 'vanished');

/** What holds at any moment, whatever happened. */
function check(reference: Reference): void {
  const { ledger } = reference;
  const totals = ledger.totals();
  const { kernel_hits, decoded, not_run, ring_buffer, rejected, in_flight, balanced } = totals;
  expect(kernel_hits).toBe(decoded + ring_buffer + rejected + in_flight + (not_run ?? 0));
  for (const n of [kernel_hits, decoded, not_run ?? 0, ring_buffer, rejected, in_flight]) {
    expect(n).toBeGreaterThanOrEqual(0);
  }
  expect(decoded).toBe(reference.count('arrives'));
  expect(ledger.events).toBe(reference.count('arrives'));
  if (!reference.knowsMisses) {
    expect(not_run).toBeNull();
    expect(balanced).not.toBe(true);
  }
  const rows = ledger.rows();
  expect(rows.reduce((sum, row) => sum + row.ledger.decoded, 0)).toBe(decoded);
  expect(rows.map((row) => row.line)).toEqual(
    COUNTED_LINES.filter((name) => rows.some((row) => row.line === name)),
  );
}

describe('the ledger', () => {
  it('says null while nothing is known', () => {
    const ledger = new TracerLedger();
    expect(ledger.totals()).toMatchObject({ not_run: null, balanced: null, kernel_hits: 0 });
    for (let i = 0; i < 20; i++) ledger.decoded('tick');
    expect(ledger.totals().balanced).toBeNull();
    ledger.decoded('evict');
    expect(ledger.totals().balanced).not.toBe(true); // no count of the kernel has come
    expect(ledger.totals().not_run).toBeNull();
  });

  it('counts no time and no place: tick, beat, vmemmap and detail are no events', () => {
    const ledger = new TracerLedger();
    for (const name of UNCOUNTED_LINES) ledger.decoded(name);
    expect(ledger.events).toBe(0);
    expect(ledger.rows()).toEqual([]);
  });

  it('adds up at every moment, whatever happens', () => {
    fc.assert(
      fc.property(program(FATES, true), fc.boolean(), (steps, countsMisses) => {
        const reference = new Reference(countsMisses);
        for (const step of steps) {
          reference.do(step);
          check(reference);
        }
      }),
      { numRuns: runs(300) },
    );
  });

  it('balances to the last event after a quiet second, each loss at its place', () => {
    fc.assert(
      fc.property(program(HONEST, false), (steps) => {
        const reference = new Reference();
        for (const step of steps) reference.do(step);
        reference.rest();
        check(reference);
        expect(reference.ledger.totals()).toEqual({
          kernel_hits: reference.all.length,
          decoded: reference.count('arrives'),
          not_run: reference.count('not_run'),
          map_full: 0,
          ring_buffer: reference.count('lost'),
          rejected: reference.count('rejected'),
          in_flight: 0,
          balanced: reference.count('ran') > 0 ? true : expect.toBeOneOf([true, null]),
        });
      }),
      { numRuns: runs(300) },
    );
  });

  it('still balances when bpftrace was restarted: what was counted and did not come, died', () => {
    fc.assert(
      fc.property(program(['arrives', 'lost', 'not_run'], true), (steps) => {
        const reference = new Reference();
        for (const step of steps) reference.do(step);
        reference.rest();
        check(reference);
        const { balanced, decoded, ring_buffer, in_flight } = reference.ledger.totals();
        expect(balanced).not.toBe(false);
        expect(in_flight).toBe(0);
        // of the runs before, only what the kernel had counted aloud is known
        expect(decoded + ring_buffer).toBeLessThanOrEqual(reference.count('ran'));
        expect(ring_buffer).toBeGreaterThanOrEqual(reference.count('lost', { run: reference.run }));
      }),
      { numRuns: runs(300) },
    );
  });

  it('is never balanced in a quiet second when an event has vanished without a word', () => {
    fc.assert(
      fc.property(program(FATES, false), (steps) => {
        const reference = new Reference();
        for (const step of steps) reference.do(step);
        fc.pre(reference.count('vanished') > 0);
        reference.rest();
        expect(reference.ledger.totals()).toMatchObject({
          balanced: false,
          in_flight: reference.count('vanished'),
        });
      }),
      { numRuns: runs(300) },
    );
  });

  it('is not balanced after a flow either, once it rests', () => {
    const reference = new Reference();
    for (let i = 0; i < 300; i++) {
      reference.do({ kind: 'hit', name: 'evict', fate: i === 100 ? 'vanished' : 'arrives' });
      reference.do({ kind: 'tick' });
      if (i % 10 === 9) reference.do({ kind: 'hits' });
      if (i % 10 === 9) reference.do({ kind: 'misses' });
    }
    reference.rest();
    expect(reference.ledger.totals().balanced).toBe(false);
  });

  const calm = (steps: readonly Step[]) => {
    const reference = new Reference();
    for (const step of steps) {
      reference.do(step);
      expect(reference.ledger.totals().balanced).not.toBe(false);
    }
  };
  const arrives: Step = { kind: 'hit', name: 'evict', fate: 'arrives' };
  const tick: Step = { kind: 'tick' };

  it('raises no false alarm while lines come, in an honest trace', () => {
    // with the counts told when a tick begins, as the program does
    const second = fc
      .array(hit(HONEST), { maxLength: 8 })
      .map((hits): Step[] => [
        ...hits.flatMap((h) => [h, tick]),
        tick,
        { kind: 'misses' },
        { kind: 'hits' },
        ...Array<Step>(4).fill(tick),
      ]);
    fc.assert(fc.property(fc.array(second, { maxLength: 6 }), (seconds) => calm(seconds.flat())));
  });

  it('raises none between the counts of one bpftrace and those of the other', () => {
    const ticks = fc.integer({ min: 1, max: 8 }).map((n) => Array<Step>(n).fill(tick));
    // what is lost is told with the next tick, before any counts
    const events = fc
      .array(hit(['arrives', 'arrives', 'lost', 'not_run']), { maxLength: 4 })
      .map((hits): Step[] => (hits.length === 0 ? [] : [...hits, tick]));
    const part = fc
      .tuple(events, ticks, fc.constantFrom<0 | 1>(0, 1))
      .map(([some, pause, track]): Step[] => [...some, ...pause, hitsOf(track)]);
    const parts = fc.array(part, { maxLength: 12 });
    fc.assert(fc.property(parts, (all) => calm([{ kind: 'misses' }, ...all.flat()])));
  });

  // known: a line that is decoded in the same tick after its counts were told
  it('raises none for a line that comes right after the counts', () => {
    calm([arrives, { kind: 'hits' }, arrives, tick, tick, tick]);
  });

  // known: what was reported and rejected before a restart still explains
  it('does not take what a run before lost for what is missing in this one', () => {
    const reference = new Reference();
    reference.do({ kind: 'hit', name: 'evict', fate: 'rejected' });
    reference.do({ kind: 'restart' });
    reference.do({ kind: 'hit', name: 'evict', fate: 'vanished' });
    reference.rest();
    expect(reference.ledger.totals().balanced).toBe(false);
  });

  it('takes lives without their lines as a witness, as far as the buffer lost none', () => {
    const unseen = new Map<LineName, number>([['tp_free_inode', 3]]);
    const ledger = new TracerLedger(unseen);
    for (let i = 0; i < 5; i++) ledger.decoded('tp_free_inode');
    ledger.hits(LINES.tp_free_inode.id, 6);
    ledger.lost(1);
    ledger.missed(null, 0);
    for (let i = 0; i < 5; i++) ledger.decoded('tick');
    ledger.hits(LINES.tp_free_inode.id, 6);
    for (let i = 0; i < 5; i++) ledger.decoded('tick');
    expect(ledger.totals()).toMatchObject({
      decoded: 5,
      ring_buffer: 1,
      not_run: 2,
      kernel_hits: 8,
    });
  });
});

describe('on a kernel that does not count each run that it skips', () => {
  it('an account without a loss is not known to balance, and one with a hole is known not to', () => {
    fc.assert(
      fc.property(program(HONEST, true), (steps) => {
        const reference = new Reference(false);
        for (const step of steps) reference.do(step);
        reference.rest();
        check(reference);
        const { not_run, balanced } = reference.ledger.totals();
        expect([not_run, balanced]).toEqual([null, null]);
        for (const { ledger } of reference.ledger.rows()) expect(ledger.not_run).toBeNull();
      }),
      { numRuns: runs(200) },
    );
    const reference = new Reference(false);
    reference.do({ kind: 'hit', name: 'evict', fate: 'vanished' });
    reference.rest();
    expect(reference.ledger.totals().balanced).toBe(false);
  });

  it('what it counted all the same, and what the lives lack, is in no sum', () => {
    const ledger = new TracerLedger(new Map([['destroy_inode', 4]]), false);
    ledger.decoded('evict');
    ledger.missed('evict', 3);
    ledger.missed(null, 2);
    const { kernel_hits, decoded, not_run } = ledger.totals();
    expect([kernel_hits, decoded, not_run]).toEqual([1, 1, null]);
    expect(ledger.lostEvents).toBe(0);
    for (const { ledger: row } of ledger.rows()) expect(row.kernel_hits).toBe(row.decoded);
  });
});

describe('inodes that had no room in the maps', () => {
  it('are counted by how many are new, over restarts, and are no hits', () => {
    const run = fc.array(fc.nat(5), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.array(run, { minLength: 1, maxLength: 4 }), (runs) => {
        const ledger = new TracerLedger();
        let all = 0;
        for (const more of runs) {
          let count = 0; // bpftrace begins anew
          for (const n of more) {
            count += n;
            all += n;
            expect(ledger.full(count)).toBe(n);
            expect(ledger.full(count)).toBe(0); // told each second
          }
          expect(ledger.totals()).toMatchObject({ map_full: all, kernel_hits: 0, ring_buffer: 0 });
          expect(ledger.lostEvents).toBe(all);
          ledger.endRun();
        }
        expect(ledger.totals().map_full).toBe(all);
      }),
    );
  });

  const rest = (ledger: TracerLedger, ticks: number) => {
    for (let i = 0; i < ticks; i++) ledger.decoded('tick');
  };

  it('owe no line: their ends are not taken for missed ones', () => {
    const unseen = new Map<LineName, number>([['tp_life', 3]]);
    const ledger = new TracerLedger(unseen);
    ledger.decoded('tp_free_inode');
    ledger.missed('tp_life', 0);
    ledger.full(2);
    expect(ledger.totals()).toMatchObject({ map_full: 2, not_run: 1 });
    ledger.endRun();
    ledger.full(1);
    expect(ledger.totals()).toMatchObject({ map_full: 3, not_run: 0 });
  });

  it('are missing once, though they were taken as lost before nothing ended any more', () => {
    const lost = { count: 0 };
    const unseen = new Map<LineName, number>();
    const ledger = new TracerLedger(unseen, true, lost);
    for (let i = 0; i < 7; i++) ledger.decoded('raw_life');
    ledger.missed('raw_life', 0);
    ledger.hits(LINES.raw_life.id, 7);
    ledger.kept(10);
    unseen.set('raw_life', 2);
    lost.count = 2;
    expect(ledger.totals()).toMatchObject({ not_run: 2 });
    rest(ledger, 151);
    expect(ledger.totals()).toMatchObject({ not_run: 3, decoded: 7, balanced: true });
    // of another one the end came alone: its eviction was not noted
    unseen.set('raw_life', 3);
    expect(ledger.totals()).toMatchObject({ not_run: 4 });
  });

  it('are not among those that were noted and whose line is due', () => {
    const ledger = new TracerLedger();
    ledger.missed('life', 0);
    for (let i = 0; i < 5; i++) ledger.decoded('life');
    ledger.hits(LINES.life.id, 5);
    ledger.kept(8);
    ledger.full(2);
    rest(ledger, 10);
    expect(ledger.totals().not_run).toBe(0); // the grace periods of three may go on
    rest(ledger, 150);
    expect(ledger.totals()).toMatchObject({ not_run: 3, map_full: 2, decoded: 5 });
    ledger.endRun();
    expect(ledger.totals()).toMatchObject({ not_run: 3, map_full: 2, decoded: 5 });
  });
});

describe("bpftrace's own programs", () => {
  const names = ['evict', 'destroy_inode', 'clear_inode'] as const;

  const ready = lines(`
    0    0  a/0  tick
    100  0  a/0  tick
    200  0  a/0  beat track=1
    200  0  a/0  tick
  `);

  /** What the agent has read in /proc/PID/fdinfo, before and after all is attached: misses by line. */
  function missesOf(before: readonly string[], after: readonly string[]) {
    const pipeline = new Pipeline(epochOf(), { keep: 10 });
    pipeline.begin([names, []]);
    for (const words of [before, after]) {
      for (const word of words) pipeline.err(Buffer.from(`a misses 478.50 0 ${word}\n`));
      pipeline.out(Buffer.from(ready));
    }
    expect(pipeline.readyAt).not.toBeNull();
    const rows = pipeline.ledger.rows().map(({ line, ledger }) => [line, ledger.not_run]);
    return Object.fromEntries(rows);
  }
  const own = { evict: 1, destroy_inode: 2, clear_inode: 3 };

  // type 2 is BPF_PROG_TYPE_KPROBE, 26 BPF_PROG_TYPE_TRACING, 17 a raw tracepoint, 7 a perf event
  it.each([
    ['fentry, BEGIN and END of another type', '17:1:9 26:2:1 26:3:2 26:4:3 17:5:9'],
    ['fentry, BEGIN and END as uprobes', '2:1:9 26:2:1 26:3:2 26:4:3 2:5:9'],
    ['fentry, no END', '2:1:9 26:2:1 26:3:2 26:4:3'],
    ['fentry, and timers', '2:1:9 26:2:1 7:6:9 26:3:2 26:4:3 2:5:9'],
    ['kprobes, BEGIN and END of another type', '17:1:9 2:2:1 2:3:2 2:4:3 17:5:9'],
    ['kprobes, BEGIN and END as uprobes', '2:1:9 2:2:1 2:3:2 2:4:3 2:5:9'],
    ['kprobes, no END', '2:1:9 2:2:1 2:3:2 2:4:3'],
    ['read in any order', '2:5:9 2:3:2 2:1:9 2:4:3 2:2:1'],
    ['tracepoints', '2:1:9 5:2:1 5:3:2 5:4:3 2:5:9'],
    ['raw tracepoints among them, and BEGIN and END', '17:1:9 17:2:1 17:3:2 5:4:3 17:5:9'],
  ])('are in no account: %s', (_, word) => {
    expect(missesOf([], [word])).toEqual(own);
    // cumulative: what is told again is no news
    expect(missesOf([word], [word, word])).toEqual(own);
  });

  it('are waited for while probes are attached one by one', () => {
    const attaching = ['2:1:9', '2:1:9 2:2:1', '2:1:9 2:2:1 2:3:2', '2:1:9 2:2:1 2:3:2 2:4:3'];
    expect(missesOf(attaching, [])).toEqual({});
    expect(missesOf(attaching, ['2:1:9 2:2:1 2:3:2 2:4:3 2:5:9'])).toEqual(own);
  });
});
