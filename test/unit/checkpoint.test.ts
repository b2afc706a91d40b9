/** The state of pipelines, saved and restored anywhere in a real recording. */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NumberMap } from '../../server/model/number-map.ts';
import { GraphDecoder } from '../../server/recording/checkpoint/decode.ts';
import { GraphEncoder } from '../../server/recording/checkpoint/encode.ts';
import { CheckpointError } from '../../server/recording/checkpoint/graph.ts';
import { restoreState, saveState } from '../../server/recording/checkpoint/state.ts';
import { type Frame, RecordingReader } from '../../server/recording/reader.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { feed } from '../../server/tracer/tracer.ts';
import { inodesOf, stateOf } from '../fixtures/pipeline-state.ts';
import { RECORDINGS } from '../fixtures/recordings.ts';
import { epochOf, lines, planOf } from '../fixtures/trace.ts';

const KEEP = 1000;
const SAVE = { make: (info: Pipeline['info']) => new Pipeline(info, { keep: KEEP }), keep: KEEP };

function framesOf(path: string) {
  const reader = new RecordingReader(path);
  const frames = [...reader.frames()];
  reader.close();
  return { epochs: reader.epochs, frames, bytes: frames.reduce((n, f) => n + f.bytes.length, 0) };
}

/**
 * Feeds all of it, and saves and restores, twice over, when these many bytes have been
 * fed. Gives what the pipelines say at the end, and the largest state.
 */
function play(
  { epochs, frames }: ReturnType<typeof framesOf>,
  cuts: readonly number[],
): { pipelines: Pipeline[]; largest: number } {
  let pipelines: Pipeline[] = [];
  let at = 0;
  let largest = 0;
  const left = [...cuts].sort((a, b) => a - b);
  const give = ({ epoch, kind }: Frame, bytes: Buffer) => {
    let pipeline = pipelines.find(({ info }) => info.number === epoch);
    if (pipeline === undefined) {
      pipeline = SAVE.make(epochs.find(({ number }) => number === epoch)!);
      pipelines.push(pipeline);
    }
    feed(pipeline, kind, bytes);
  };
  for (const frame of frames) {
    let from = 0;
    const end = at + frame.bytes.length;
    while (left.length > 0 && left[0]! <= end) {
      const cut = left.shift()! - at;
      // the frames of lastref itself are whole
      const to = frame.kind === 'out' || frame.kind === 'err' ? cut : 0;
      if (to > from) give(frame, frame.bytes.subarray(from, to));
      from = Math.max(from, to);
      for (let twice = 0; twice < 2; twice++) {
        const state = saveState(pipelines, SAVE);
        largest = Math.max(largest, state.length);
        pipelines = restoreState(state, epochs, SAVE);
      }
    }
    if (from < frame.bytes.length) give(frame, frame.bytes.subarray(from));
    at = end;
  }
  return { pipelines, largest };
}

describe.each(Object.entries(RECORDINGS))('the recording %s', (_, path) => {
  const recording = framesOf(path);
  const whole = play(recording, []).pipelines;
  const state = stateOf(whole);
  const inodes = inodesOf(whole);

  it('comes to the same wherever its state was saved and restored', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: recording.bytes }), { minLength: 1, maxLength: 4 }),
        (cuts) => {
          const { pipelines } = play(recording, cuts);
          expect(stateOf(pipelines)).toBe(state);
          // ended ones may have been left out; what is listed says the same
          for (const [id, detail] of inodesOf(pipelines)) expect(detail).toBe(inodes.get(id));
        },
      ),
      { numRuns: 8 },
    );
  });

  it('comes to the same when it is saved all the time', () => {
    const cuts = Array.from({ length: 60 }, (_, i) => Math.floor((recording.bytes * i) / 60));
    expect(stateOf(play(recording, cuts).pipelines)).toBe(state);
  });
});

it('a state says the same as what it was saved of, before anything else is fed', () => {
  const recording = framesOf(RECORDINGS.demo!);
  const { pipelines } = play(recording, []);
  const restored = restoreState(saveState(pipelines, SAVE), recording.epochs, SAVE);
  expect(stateOf(restored)).toBe(stateOf(pipelines));
});

describe('a state of another program', () => {
  const { pipelines } = play(framesOf(RECORDINGS.demo!), []);
  const epochs = pipelines.map(({ info }) => info);
  const state = saveState(pipelines, SAVE);

  it('is refused, also when only another number of inodes is kept', () => {
    const other = Buffer.from(state);
    other[9]! ^= 1;
    expect(() => restoreState(other, epochs, SAVE)).toThrow(/another version/);
    expect(() => restoreState(state, epochs, { ...SAVE, keep: KEEP + 1 })).toThrow(CheckpointError);
  });

  it('is refused when it is cut off or damaged, and never ends the program otherwise', () => {
    fc.assert(
      fc.property(fc.nat(state.length - 1), fc.integer({ min: 1, max: 255 }), (at, bit) => {
        const damaged = Buffer.from(state);
        damaged[at]! ^= bit;
        for (const bad of [damaged, state.subarray(0, at)]) {
          try {
            restoreState(bad, epochs, SAVE);
          } catch (error) {
            expect(error).toBeInstanceOf(CheckpointError);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('an object graph', () => {
  const again = (value: unknown, twin?: unknown, there?: unknown) => {
    const encoder = new GraphEncoder();
    encoder.value(value, twin);
    return new GraphDecoder(Buffer.from(encoder.bytes)).value(there);
  };

  it('comes back as it was, whatever is in it', () => {
    const anything = fc.anything({
      withBigInt: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withUnicodeString: true,
    } as fc.ObjectConstraints);
    fc.assert(
      fc.property(anything, (value) => {
        let copy: unknown;
        try {
          copy = again({ value });
        } catch (error) {
          // what a state never holds is refused, not forgotten
          expect(error).toBeInstanceOf(CheckpointError);
          return;
        }
        expect(copy).toStrictEqual({ value });
      }),
      { numRuns: 300 },
    );
  });

  it('keeps which objects are one, and rings', () => {
    const shared = { n: 1 };
    const ring: Record<string, unknown> = { a: shared, b: [shared], map: new Map([[1, shared]]) };
    ring.self = ring;
    const copy = again(ring) as typeof ring;
    expect(copy.self).toBe(copy);
    expect((copy.b as unknown[])[0]).toBe(copy.a);
    expect((copy.map as Map<number, unknown>).get(1)).toBe(copy.a);
    expect(copy.a).not.toBe(shared);
  });

  it('fills what a constructor made, and leaves its functions', () => {
    const make = () => {
      const counts = new Map<string, number>();
      return { counts, bump: (key: string) => counts.set(key, (counts.get(key) ?? 0) + 1) };
    };
    const saved = make();
    saved.bump('a');
    saved.bump('a');
    const copy = again(saved, make(), make()) as typeof saved;
    copy.bump('a');
    expect([...copy.counts]).toEqual([['a', 3]]);
    expect([...saved.counts]).toEqual([['a', 2]]);
  });

  it('holds maps of numbers, in their order and without what was deleted', () => {
    const saved = { byAddress: new NumberMap<number, object>() };
    const values = Array.from({ length: 20 }, (_, n) => ({ n }));
    for (const value of values) saved.byAddress.set(2 ** 52 - value.n * 640, value);
    for (const { n } of values) if (n % 3 === 0) saved.byAddress.delete(2 ** 52 - n * 640);
    const fresh = () => ({ byAddress: new NumberMap<number, object>() });
    const there = fresh();
    const copy = again(saved, fresh(), there) as typeof saved;
    expect(copy.byAddress).toBe(there.byAddress);
    expect([...copy.byAddress]).toEqual([...saved.byAddress]);
    expect([...(again(saved) as typeof saved).byAddress]).toEqual([...saved.byAddress]);
  });

  it('is refused with a function that nobody would make again, or an unknown class', () => {
    class Unheard {
      x = 1;
    }
    expect(() => again({ list: [() => 1] })).toThrow(/cannot save a function that.*list/);
    expect(() => again({ map: new Map([[1, new Unheard()]]) })).toThrow(/class Unheard/);
    expect(() => again({ weak: new WeakMap() })).toThrow(/class WeakMap/);
    // one that the constructor made is known by it
    expect(again({ one: new Unheard() }, { one: new Unheard() }, { one: new Unheard() })).toEqual({
      one: { x: 1 },
    });
  });
});

it('the oldest ended inodes are left out, and every count still holds them', () => {
  // without probes on its other stages, nothing waits to be judged
  const stages = ['alloc_inode', 'evict', 'evict_end', 'i_callback'] as const;
  const info = epochOf({ plan: planOf(stages) });
  const pipeline = SAVE.make(info);
  pipeline.begin([]);
  const ready = lines('0 0 x/1 tick seq=1');
  pipeline.out(Buffer.from(ready));
  const lives = (from: number, to: number) => {
    const rows: string[] = [];
    for (let i = from; i < to; i++) {
      // addresses are used again, as the slab does it
      const name = `A${i % 8}`;
      rows.push(
        `${i * 10} 0 x/7 alloc_inode ${name}`,
        `${i * 10 + 1} 0 x/7 evict ${name} ino=${i}`,
      );
      rows.push(`${i * 10 + 3} 0 x/7 evict_end ${name}`, `${i * 10 + 4} 1 y/9 i_callback ${name}`);
      rows.push(`${i * 10 + 5} 0 x/1 tick seq=${i + 2}`, `${i * 10 + 5} 0 x/1 beat track=1`);
    }
    return Buffer.from(lines(rows.join('\n')));
  };
  pipeline.out(lives(1, 900));
  const state = saveState([pipeline], SAVE);
  const [restored] = restoreState(state, [info], SAVE);
  const { inodes } = restored!.model;
  expect(pipeline.model.inodes.size).toBeGreaterThan(850);
  expect(inodes.size).toBeLessThan(600);
  expect(inodes.leftOut).toBe(inodes.dropped);
  expect(inodes.size + inodes.leftOut).toBe(pipeline.model.inodes.size);
  for (const from of [900, 1400]) {
    for (const one of [pipeline, restored!]) one.out(lives(from, from + 500));
    expect(stateOf([restored!])).toBe(stateOf([pipeline]));
  }
  const all = inodesOf([pipeline]);
  for (const [id, detail] of inodesOf([restored!])) expect(detail).toBe(all.get(id));
});

it('what a CPU said that came later waits in a restored state as well', () => {
  const info = epochOf({ bpftrace: '0.17.0' });
  const pipeline = SAVE.make(info);
  pipeline.begin([]);
  pipeline.err(Buffer.from('a online 478.00 0,5\n'));
  pipeline.out(Buffer.from(lines('1 0 x/7 alloc_inode A\n2 5 x/7 evict A\n3 5 x/7 evict_end A')));
  const [restored] = restoreState(saveState([pipeline], SAVE), [info], SAVE);
  expect(restored!.waiting).toEqual(pipeline.waiting);
  expect(pipeline.waiting.events).toBe(3);
  for (const one of [pipeline, restored!]) {
    one.out(Buffer.from(lines('500 0 x/1 tick\n501 5 x/1 beat track=0')));
    one.end(true, '');
  }
  expect(stateOf([restored!])).toBe(stateOf([pipeline]));
});

it('no class of a pipeline hides state in a #field, which would be lost', () => {
  const root = new URL('../../server/', import.meta.url);
  const files = [
    ...readdirSync(new URL('model/', root), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `model/${name}`),
    ...[
      'agent-lines',
      'cpus',
      'decoder',
      'hit-counts',
      'ledger',
      'misses',
      'pipeline',
      'readiness',
      'reorder',
      'scan-lines',
      'senses',
      'settlement',
      'sight',
    ].map((name) => `tracer/${name}.ts`),
  ];
  const hidden = files.filter((name) =>
    /^\s+(?:static |readonly )*#\w+(?:[!?]?: |\s*=|;)/m.test(
      readFileSync(new URL(name, root), 'utf8'),
    ),
  );
  expect(hidden).toEqual([]);
});

it('a pipeline that has seen nothing is a state, too', () => {
  const info = epochOf({});
  const [restored] = restoreState(saveState([SAVE.make(info)], SAVE), [info], SAVE);
  expect(stateOf([restored!])).toBe(stateOf([SAVE.make(info)]));
});
