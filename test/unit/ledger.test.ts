import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COUNTED_LINES, LINES, type LineName } from '../../server/protocol/grammar.ts';
import { TracerLedger } from '../../server/tracer/ledger.ts';

const NAMES = ['evict', 'destroy_inode', 'i_callback'] as const satisfies LineName[];
type Name = (typeof NAMES)[number];

/** What becomes of a hit of a probe. `vanished` is what must never be taken for balanced. */
const FATES = ['arrives', 'arrives', 'arrives', 'lost', 'rejected', 'not_run', 'vanished'] as const;
type Fate = (typeof FATES)[number];

type Step =
  | { readonly kind: 'hit'; readonly name: Name; readonly fate: Fate }
  /** 100 ms later. What was in bpftrace's buffer has come before it. */
  | { readonly kind: 'tick' }
  /** print(@hits), each second; `others`: hits that the kernel counts while it is printed. */
  | { readonly kind: 'hits' }
  /** The agent reads recursion_misses. */
  | { readonly kind: 'misses' }
  | { readonly kind: 'restart' };

/**
 * The truth: every hit by its fate, in one list, and what has been told of it. All
 * answers are counted out of that list anew; nothing is kept.
 */
class Reference {
  readonly ledger = new TracerLedger();
  readonly all: { name: Name; fate: Fate; run: number }[] = [];
  run = 0;
  knowsMisses = false;
  toldMisses = new Map<Name, number>();
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
          const n = this.count('ran', { name, run: this.run });
          if (n > 0) this.ledger.hits(LINES[name].id, n);
        }
        return;
      case 'misses':
        this.knowsMisses = true;
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

function program(fates: readonly Fate[], restarts: boolean): fc.Arbitrary<Step[]> {
  const step = fc.oneof(
    { weight: 6, arbitrary: hit(fates) },
    { weight: 4, arbitrary: fc.constant<Step>({ kind: 'tick' }) },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: 'hits' }) },
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

  it('counts no time and no place: tick, beat and vmemmap are no events', () => {
    const ledger = new TracerLedger();
    for (const name of ['tick', 'beat', 'vmemmap'] as const) ledger.decoded(name);
    expect(ledger.events).toBe(0);
    expect(ledger.rows()).toEqual([]);
  });

  it('adds up at every moment, whatever happens', () => {
    fc.assert(
      fc.property(program(FATES, true), (steps) => {
        const reference = new Reference();
        for (const step of steps) {
          reference.do(step);
          check(reference);
        }
      }),
      { numRuns: 300 },
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
      { numRuns: 300 },
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
      { numRuns: 300 },
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
      { numRuns: 300 },
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
