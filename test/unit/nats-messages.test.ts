/** Messages on the way through a broker, and what is made of those that come wrong. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseUrls } from '../../server/nats/broker.ts';
import { Follower } from '../../server/nats/follower.ts';
import { packChunk, packEpoch, packStatus, unpack } from '../../server/nats/message.ts';
import { Sequence } from '../../server/nats/sequence.ts';
import { differences } from '../../server/nats/stream.ts';
import { epochSubject, hostOf, hostOfSubject, tokenOf } from '../../server/nats/subjects.ts';
import { covers } from '../../server/nats/told.ts';
import { Gathering } from '../../server/recording/chunks.ts';
import type { Pipeline } from '../../server/tracer/pipeline.ts';
import { framesOf, GOLDEN } from '../fixtures/recordings.ts';

const { epochs, frames } = framesOf(GOLDEN[1]!);
const info = { ...epochs[0]!, host: 'box' };
const NOTHING = { messages: 0, events: 0, bytes: 0 };
const SESSION = '0123456789abcdef';

/** Messages of one session: its epoch, then so many chunks. */
function messages(count = 20, session = SESSION): Buffer[] {
  let seq = 0;
  const origin = () => ({ host: 'box', session, seq: ++seq });
  const out = [packEpoch(origin(), info, null, NOTHING).payload];
  const each = Math.ceil(frames.length / count);
  for (let at = 0; at < frames.length; at += each) {
    const gathering = new Gathering();
    for (const frame of frames.slice(at, at + each)) {
      gathering.add(info.number, frame.kind, frame.bytes, frame.atMs);
    }
    out.push(packChunk(origin(), gathering.take()[0]!).payload);
  }
  return out;
}

function following() {
  const seen: string[][] = [];
  const pipelines: Pipeline[] = [];
  const said: string[] = [];
  const follower = new Follower({
    host: 'box',
    keep: 1000,
    nextEpoch: () => pipelines.length + 1,
    onEpoch: (pipeline) => {
      pipelines.push(pipeline);
      seen.push([]);
    },
    onFrame: ({ number }, kind, bytes) => {
      seen[number - 1]!.push(`${kind} ${bytes.toString('latin1')}`);
    },
    say: (text) => said.push(text),
  });
  return { follower, seen, pipelines, said };
}

const ORIGINAL = frames.map(({ kind, bytes }) => `${kind} ${bytes.toString('latin1')}`);

describe('a follower', () => {
  it('gives the frames as they were, with the time they came', () => {
    const { follower, seen } = following();
    for (const message of messages()) follower.take(message, true);
    expect(seen).toEqual([ORIGINAL]);
    expect(follower.counts).toMatchObject({ again: 0, missing: 0, skipped: 0, rejected: 0 });
  });

  it('takes each message once, however often and late it comes again', () => {
    const all = messages();
    fc.assert(
      fc.property(fc.array(fc.nat(all.length - 1), { maxLength: 30 }), (again) => {
        const { follower, seen } = following();
        all.forEach((message, index) => {
          follower.take(message, true);
          for (const other of again) if (other <= index) follower.take(all[other]!, true);
        });
        expect(seen).toEqual([ORIGINAL]);
      }),
      { numRuns: 8 },
    );
  });

  it('tells of each hole, and is never silently short of anything', () => {
    const all = messages();
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: all.length - 2 })), (missing) => {
        const { follower, seen, pipelines, said } = following();
        all.forEach((message, index) => {
          if (!missing.includes(index)) follower.take(message, true);
        });
        expect(follower.counts.missing).toBe(missing.length);
        if (missing.length === 0) {
          expect(seen).toEqual([ORIGINAL]);
          return;
        }
        expect(said.length).toBeGreaterThan(0);
        if (missing.includes(1)) {
          expect(seen).toEqual([[]]); // nothing had begun
          return;
        }
        // all up to the first hole, then how it ended, and nothing of what cannot follow
        const until = seen[0]!.length - 1;
        expect(seen[0]!.slice(0, until)).toEqual(ORIGINAL.slice(0, until));
        expect(seen[0]!.at(-1)).toMatch(/^end .*missing from the stream/);
        const { gaps } = pipelines[0]!.model;
        expect(pipelines[0]!.readyAt === null || gaps.list.length > 0).toBe(true);
      }),
      { numRuns: 12 },
    );
  });

  it('goes on in a new epoch where the agent says how it can be entered', () => {
    const { follower, seen, pipelines } = following();
    const all = messages();
    for (const message of all.slice(0, 12)) follower.take(message, true);
    const handover = pipelines[0]!.handover();
    const seq = all.length + 5;
    follower.take(
      packEpoch({ host: 'box', session: SESSION, seq }, info, handover, NOTHING).payload,
      true,
    );
    expect(pipelines).toHaveLength(2);
    expect(seen[0]!.at(-1)).toMatch(/^end /);
    expect(seen[1]![0]).toMatch(/^resume /);
    expect(pipelines[1]!.info.number).toBe(2);
  });

  it('ends the epoch of an agent that was killed when the next one begins', () => {
    const { follower, seen } = following();
    for (const message of messages().slice(0, 10)) follower.take(message, true);
    for (const message of messages(20, 'fedcba9876543210')) follower.take(message, true);
    for (const message of messages()) follower.take(message, true); // what comes late of the first
    expect(seen[0]!.at(-1)).toMatch(/^end .*without a word/);
    expect(seen[1]).toEqual(ORIGINAL);
    expect(seen).toHaveLength(2);
    expect(follower.counts.missing).toBe(0);
  });

  it('rejects what is none of ours, counts it, and keeps a sample', () => {
    const all = messages();
    fc.assert(
      fc.property(
        fc.nat(all.length - 1),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
          minLength: 1,
          maxLength: 5,
        }),
        (which, changes) => {
          const { follower, seen } = following();
          const bad = Buffer.from(all[which]!);
          for (const [at, by] of changes) bad[at % bad.length]! ^= by;
          all.forEach((message, index) => {
            follower.take(index === which ? bad : message, true);
          });
          // a change of JSON may be a valid one; what is shown is never more than there was
          expect(follower.counts.rejected).toBeLessThanOrEqual(1);
          if (follower.counts.rejected === 1) expect(follower.samples).toHaveLength(1);
          expect(seen.flat().length).toBeLessThanOrEqual(ORIGINAL.length + 2);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('takes no chunk that unpacks to more than an agent gathers', () => {
    const gathering = new Gathering();
    for (let i = 0; i < 8; i++) gathering.add(1, 'out', Buffer.alloc(1024 * 1024), 0);
    const chunk = { ...gathering.take()[0]!, bytes: 1000 };
    const { payload } = packChunk({ host: 'box', session: SESSION, seq: 1 }, chunk);
    expect(payload.length).toBeLessThan(10_000);
    expect(() => unpack(payload, 'box')).toThrow(/cannot be unpacked/);
  });

  it('believes no message of another host', () => {
    const { payload } = packStatus({ host: 'box', session: SESSION, seq: 1 }, 'ready', '');
    expect(unpack(payload, 'box')).toMatchObject({ kind: 'status', status: 'ready' });
    expect(() => unpack(payload, 'other')).toThrow(/another host/);
  });
});

describe('numbers of messages', () => {
  it('are taken once, and every number that never came is counted', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (numbers) => {
        const sequence = new Sequence();
        const taken: number[] = [];
        let missing = 0;
        for (const seq of numbers) {
          const place = sequence.take({ session: 'a', seq });
          if (place.kind === 'again') continue;
          taken.push(seq);
          if (place.kind !== 'next') missing += place.missing;
        }
        expect(taken).toEqual([...taken].sort((a, b) => a - b));
        expect(new Set(taken).size).toBe(taken.length);
        expect(taken.length + missing).toBe(Math.max(...taken));
      }),
    );
  });
});

describe('names', () => {
  it('of hosts come through a subject, whatever is in them', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'binary' }), (host) => {
        const known = Buffer.from(host).toString('utf8');
        expect(tokenOf(host)).toMatch(/^[-/_=.a-zA-Z0-9]+$/);
        expect(hostOf(tokenOf(host))).toBe(known);
        expect(hostOfSubject(epochSubject(host, SESSION, 1))).toBe(known);
      }),
    );
    expect(tokenOf('root@box.example')).toBe('root=40box=2eexample');
    for (const token of ['', '*', 'a.b', '=4', '=zz', '=61']) expect(hostOf(token)).toBeNull();
  });

  it('of brokers are told without the credentials in them', () => {
    expect(parseUrls('nats://me:se%40cret@a, tls://b:5222')).toEqual({
      servers: ['a:4222', 'b:5222'],
      tls: true,
      user: 'me',
      pass: 'se@cret',
      token: null,
    });
    expect(parseUrls('nats://tok3n@a:1')).toMatchObject({ token: 'tok3n', user: null });
    expect(() => parseUrls('http://secret@a')).toThrow(/^(?!.*secret)/);
  });
});

it('a stream of another kind is refused in words', () => {
  const good = {
    subjects: ['lastref.trace.>'],
    retention: 'limits',
    discard: 'old',
    max_msg_size: -1,
    max_msgs_per_subject: -1,
  };
  expect(differences(good as never)).toEqual([]);
  const bad = { subjects: ['x'], retention: 'workqueue', discard: 'new', max_msg_size: 1000 };
  expect(differences({ ...bad, max_msgs_per_subject: 1 } as never)).toHaveLength(5);
});

describe('what was told', () => {
  const at = (s: number) => new Date(1e12 + s * 1000).toISOString();
  it.each([
    ['firing', 1, 'firing', 1, true],
    ['firing', 1, 'firing', 9, true], // the same that has not ended, seen from later on
    ['firing', 1, 'resolved', 1, false],
    ['resolved', 1, 'firing', 1, true],
    ['resolved', 1, 'resolved', 1, true],
    ['resolved', 5, 'firing', 1, true],
    ['resolved', 1, 'firing', 5, false],
  ] as const)('%s of %d s covers %s of %d s: %s', (known, knownAt, status, startsAt, expected) => {
    const told = { status: known, starts_at: at(knownAt), told: true, by: 'x' };
    expect(covers(told, { status, starts_at: at(startsAt) })).toBe(expected);
  });
});
