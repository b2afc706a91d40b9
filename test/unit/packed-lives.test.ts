/** Inodes that are packed are, to whoever looks at them, what they were. */
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { Incarnation } from '../../server/model/incarnation.ts';
import { Inodes } from '../../server/model/inodes.ts';
import { beginOf, type LifeEvent, tell } from '../../server/model/life-line.ts';
import { PackedLives } from '../../server/model/packed-lives.ts';
import type { TraceEvent } from '../../server/protocol/events.ts';
import { LINES } from '../../server/protocol/grammar.ts';
import type { Address } from '../../server/protocol/units.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { feed } from '../../server/tracer/tracer.ts';
import { repeat } from '../bench/repeat.ts';
import { INPUTS } from '../bench/template.ts';
import { inodesOf, stateOf } from '../fixtures/pipeline-state.ts';

const NONE = 0 as Address;

/** Any line of this kind: each field of its own. */
function anyLife(kind: LifeEvent['kind']): fc.Arbitrary<LifeEvent> {
  const number = fc.oneof(fc.nat(40), fc.nat(), fc.maxSafeNat());
  const values = { u: number, i: number, x: number, a: number, s: fc.string(), c: fc.string() };
  const fields = LINES[kind].fields.map(([name, type]) => [name, values[type]] as const);
  const common = { kind: fc.constant(kind), ts: number, cpu: number, pid: number, tid: number };
  const all = { ...common, ...Object.fromEntries(fields) };
  return fc.record(all, { noNullPrototype: true }) as fc.Arbitrary<LifeEvent>;
}

const anyLine = fc.oneof(anyLife('life'), anyLife('tp_life'), anyLife('raw_life'));

function ended(number: number, event: LifeEvent): Incarnation {
  const address = event.kind === 'life' ? event.inode : NONE;
  const inode = new Incarnation(number, 'hugetlbfs', event.dev, address, event.ino, beginOf(event));
  tell(inode, event);
  inode.state = 'ended';
  inode.last = event.ts;
  return inode;
}

describe('an inode that one line told of', () => {
  it('comes back with every field of the line, and what else is known of it', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyLine, fc.nat(), fc.nat()), { maxLength: 200 }), (told) => {
        const packed = new PackedLives();
        const inodes = told.map(([event, pages, held], i) => {
          const inode = ended(1 + 3 * i, event);
          inode.pages = pages / 2;
          inode.held = held;
          return inode;
        });
        for (const [i, inode] of inodes.entries()) expect(packed.add(inode, i)).toBe(true);
        for (const inode of inodes) expect(packed.get(inode.number)).toStrictEqual(inode);
        for (const number of [0, 2, 1 + 3 * inodes.length]) {
          expect(packed.get(number)).toBeUndefined();
        }
      }),
    );
  });

  it('stays as it is where more is known of it than the line says', () => {
    const changes: ((inode: Incarnation) => void)[] = [
      (inode) => inode.note({ ...inode.evidence[0]! }),
      (inode) => {
        inode.cited = true;
      },
      (inode) => {
        inode.canary = true;
      },
      (inode) => {
        inode.born = true;
      },
      (inode) => {
        inode.freed = 1;
      },
      (inode) => {
        inode.removed = 1;
      },
      (inode) => {
        inode.state = 'lost';
      },
      (inode) => {
        inode.evidence = [{ kind: 'beat' } as TraceEvent];
      },
    ];
    fc.assert(
      fc.property(anyLine, fc.constantFrom(...changes), (event, change) => {
        const inode = ended(1, event);
        change(inode);
        expect(new PackedLives().add(inode, 0)).toBe(false);
      }),
    );
  });

  it('is the same object from when it was looked at, until it is dropped', () => {
    const events = fc.sample(anyLine, 300);
    const packed = new PackedLives();
    let oldest = 1;
    events.forEach((event, i) => {
      packed.add(ended(i + 1, event), i);
      const [inode] = fc.sample(fc.integer({ min: oldest, max: i + 1 }), 1);
      expect(packed.get(inode!)).toBe(packed.get(inode!));
      if (packed.size > 100) expect(packed.drop()).toBe(oldest++);
      expect(packed.get(oldest - 1)).toBeUndefined();
      expect(packed.size).toBe(i + 2 - oldest);
    });
    expect(packed.endAt(0)).toBe(oldest - 1);
    expect(packed.endAt(packed.size)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('all inodes', () => {
  /** Lives that one line tells of, between others that stay. */
  function filled(packFrom: number): Inodes {
    const inodes = new Inodes(500);
    inodes.packFrom = packFrom;
    fc.sample(anyLine, { numRuns: 900, seed: 7 }).forEach((event, i) => {
      if (i % 5 === 0) inodes.begin(-2 - i, 'shmem', 1, NONE, i % 50, i);
      const address = event.kind === 'life' ? event.inode : NONE;
      const inode = inodes.beginPast('hugetlbfs', event.dev, address, event.ino, beginOf(event));
      tell(inode, event);
      inode.last = event.ts;
      inodes.end(inode, 'ended');
    });
    return inodes;
  }

  it('are the same, and in the same order, packed or not', () => {
    const [packed, plain] = [filled(0), filled(Number.POSITIVE_INFINITY)];
    const all = [...plain.all()];
    expect(packed.size).toBe(all.length);
    expect([...packed.newestFirst()]).toStrictEqual([...plain.newestFirst()]);
    expect([...packed.all()]).toStrictEqual(all);
    for (const { dev, ino, number } of all) {
      expect(packed.ofFile({ dev, ino })).toStrictEqual(plain.ofFile({ dev, ino }));
      expect(packed.byNumber(number)).toStrictEqual(plain.byNumber(number));
    }
    expect(packed.dropped).toBe(plain.dropped);
  });

  it('are skipped by when they began, whether anybody has looked at them or not', () => {
    const whole = [...filled(Number.POSITIVE_INFINITY).all()];
    const middle = whole.map(({ began }) => began).sort((a, b) => a - b)[whole.length >> 1]!;
    for (const order of ['all', 'newestFirst'] as const) {
      const inodes = filled(0);
      const seen = [...inodes[order]((began) => began < middle)];
      const must = whole.filter(({ began }) => began >= middle).map(({ number }) => number);
      expect(seen.map(({ number }) => number)).toEqual(expect.arrayContaining(must));
      expect(seen.length).toBeLessThan(whole.length);
      expect([...inodes[order]((began) => began < middle)]).toEqual(seen);
    }
  });

  it('are listed for a saved state', () => {
    const [packed, plain] = [filled(0), filled(Number.POSITIVE_INFINITY)];
    const wanted = ({ number }: Incarnation) => number % 7 === 0;
    // what nobody has looked at cannot be in the rest of a state
    for (let number = 7; number < 2000; number += 7) packed.byNumber(number);
    for (const most of [0, 10, 1000]) {
      expect(packed.listed(most, wanted)).toStrictEqual(plain.listed(most, wanted));
    }
  });
});

describe.each(['lifecycle', 'lives'])('the lives of a real recording (%s)', (name) => {
  const template = INPUTS.find((input) => input.name === name)!.read();
  const { frames } = repeat(template, 6000, 1500);

  function played(packs: boolean, onEnd?: () => void): { pipeline: Pipeline; packed: number } {
    const pipeline = new Pipeline(template.info, { keep: 2000, ...(onEnd && { onEnd }) });
    const { inodes } = pipeline.model;
    if (!packs) {
      const never = { get: () => Number.POSITIVE_INFINITY, set: () => {} };
      Object.defineProperty(inodes, 'packFrom', never);
    }
    for (const { kind, bytes } of frames) feed(pipeline, kind, bytes);
    const packed = inodes.apart().find((part) => part instanceof PackedLives)!;
    return { pipeline, packed: packed.size };
  }

  it('give the same state, report and inodes, packed or not', () => {
    const [packs, plain] = [played(true), played(false)];
    expect(packs.packed).toBeGreaterThan(1900);
    expect(plain.packed).toBe(0);
    expect(stateOf([packs.pipeline])).toBe(stateOf([plain.pipeline]));
    expect(inodesOf([packs.pipeline])).toEqual(inodesOf([plain.pipeline]));
  });

  it('give the same where somebody is told of each end', () => {
    const onEnd = vi.fn();
    const [heard, unheard] = [played(true, onEnd), played(true)];
    expect(onEnd.mock.calls.length).toBeGreaterThan(5000);
    expect(heard.packed).toBeGreaterThan(1900);
    expect(stateOf([heard.pipeline])).toBe(stateOf([unheard.pipeline]));
    expect(inodesOf([heard.pipeline])).toEqual(inodesOf([unheard.pipeline]));
  });
});
