/** What waits for the broker, on disk. */
import { mkdtempSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unpack } from '../../server/nats/message.ts';
import { Publisher } from '../../server/nats/publisher.ts';
import { Spool } from '../../server/nats/spool.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { feed } from '../../server/tracer/tracer.ts';
import { framesOf, GOLDEN } from '../fixtures/recordings.ts';

const directory = () => mkdtempSync(join(tmpdir(), 'lastref-nats-spool-'));
const packed = (text: string) => ({ subject: 's', payload: Buffer.from(text) });

function drain(spool: Spool, host: string): string[] {
  const out: string[] = [];
  for (let head = spool.head(host); head !== null; head = spool.head(host)) {
    out.push(head.payload.toString());
    spool.remove(head);
  }
  return out;
}

describe('a spool', () => {
  it('gives back what was put in, in order, by host, also after it was opened anew', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.string()), { maxLength: 30 }),
        fc.array(fc.constantFrom('a', 'b'), { maxLength: 10 }),
        (puts, takes) => {
          const path = directory();
          const model: Record<string, string[]> = { a: [], b: [] };
          let spool = new Spool(path, 1e9);
          puts.forEach(([host, text], i) => {
            expect(spool.add(host, `${i}`, packed(text))).toBe(true);
            model[host]!.push(text);
          });
          for (const host of takes) {
            const head = spool.head(host);
            expect(head?.payload.toString()).toBe(model[host]!.shift());
            if (head !== null) spool.remove(head);
          }
          const { bytes } = spool;
          spool.close();
          spool = new Spool(path, 1e9);
          expect(spool.bytes).toBe(bytes);
          expect(spool.hosts().sort()).toEqual(
            ['a', 'b'].filter((host) => model[host]!.length > 0),
          );
          for (const host of ['a', 'b']) expect(drain(spool, host)).toEqual(model[host]);
          expect(spool.bytes).toBe(0);
          spool.close();
        },
      ),
      { numRuns: 20 },
    );
  });

  it('takes no more than it was told, and again when there is room', () => {
    const spool = new Spool(directory(), 1000);
    let taken = 0;
    while (spool.add('a', `${taken}`, packed('x'.repeat(100)))) taken++;
    expect(taken).toBeGreaterThan(1);
    expect(spool.bytes).toBeLessThanOrEqual(1000);
    spool.remove(spool.head('a')!);
    expect(spool.add('a', 'again', packed('x'.repeat(100)))).toBe(true);
    spool.close();
  });

  it('is for its owner alone, and for one agent at a time', () => {
    const path = directory();
    const spool = new Spool(path, 1000);
    expect(statSync(join(path, 'spool.db')).mode & 0o777).toBe(0o600);
    expect(() => new Spool(path, 1000)).toThrow(/another agent spools there/);
    spool.close();
    new Spool(path, 1000).close();
  });
});

describe('a publisher', () => {
  /** Plays a recording into a spool; `room`: how much is taken out after each frame. */
  function play(limit: number, everyFrames: number, drainFrom: number) {
    const { epochs, frames } = framesOf(GOLDEN[0]!);
    const spool = new Spool(directory(), limit);
    const said: string[] = [];
    const publisher = new Publisher({
      host: 'box',
      spool,
      wake: () => {},
      say: (text) => said.push(text),
      timer: false,
    });
    const pipeline = new Pipeline({ ...epochs[0]!, host: 'box' }, { keep: 100 });
    const out: Buffer[] = [];
    const take = () => {
      for (let head = spool.head('box'); head !== null; head = spool.head('box')) {
        out.push(head.payload);
        spool.remove(head);
      }
    };
    publisher.epoch(pipeline);
    frames.forEach(({ kind, bytes }, index) => {
      publisher.frame(pipeline.info, kind, bytes);
      feed(pipeline, kind, bytes);
      if (index % everyFrames === 0) publisher.tick();
      if (index >= drainFrom) take();
    });
    publisher.close();
    take();
    spool.close();
    return { publisher, messages: out.map((payload) => unpack(payload, 'box')), said, frames };
  }

  it('numbers its messages without a hole, and they hold every frame', () => {
    const { messages, frames, publisher } = play(1e9, 7, Number.POSITIVE_INFINITY);
    expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, i) => i + 1));
    const content = messages.flatMap((m) => (m.kind === 'chunk' ? m.content : []));
    expect(content.map(({ kind, bytes }) => [kind, bytes.toString()])).toEqual(
      frames.map(({ kind, bytes }) => [kind, bytes.toString()]),
    );
    expect(publisher.dropped.messages).toBe(0);
  });

  it('drops what has no room, leaves a hole in the numbers, and says where to go on', () => {
    const { messages, publisher, said } = play(60_000, 3, 2000);
    expect(publisher.dropped.messages).toBeGreaterThan(0);
    const holes = messages.flatMap((m, i) =>
      m.seq === i + 1 || m.seq === messages[i - 1]!.seq + 1 ? [] : [m],
    );
    expect(holes).toHaveLength(1);
    // after the hole comes a place to enter
    expect(holes[0]).toMatchObject({ kind: 'epoch', handover: expect.any(Array) });
    const seen = new Set(messages.map(({ seq }) => seq)).size;
    expect(seen + publisher.dropped.messages).toBe(publisher.messages);
    expect(said.join('\n')).toMatch(/the spool is full[\s\S]*room again/);
  });
});
