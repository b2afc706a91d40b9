/** A replay shows at a position what straight play shows there, however it was reached. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { ReplayCommand } from '../../server/protocol/replay.ts';
import { CheckpointStore } from '../../server/recording/checkpoint/store.ts';
import { Player } from '../../server/recording/player.ts';
import { compare, Recorded } from '../../server/recording/positions.ts';
import { RecordingError, RecordingReader } from '../../server/recording/reader.ts';
import { Replay } from '../../server/recording/replay.ts';
import { inodesOf, stateOf } from '../fixtures/pipeline-state.ts';
import { RECORDINGS } from '../fixtures/recordings.ts';

const KEEP = 1000;
const DIR = mkdtempSync(join(tmpdir(), 'lastref-test-'));
const readers: RecordingReader[] = [];
afterAll(() => {
  for (const reader of readers) reader.close();
  rmSync(DIR, { recursive: true });
});

function open(path: string): RecordingReader {
  const reader = new RecordingReader(path);
  readers.push(reader);
  return reader;
}

/** States are saved often, as in a long recording. */
function replayOf(path: string, everyBytes = 10_000, tailBytes = 0): Replay {
  const checkpoints = { everyBytes, tailBytes };
  return new Replay(open(path), { keep: KEEP, banner: '', checkpoints });
}

/** Played from the start to a time, without a state in between. */
function straight(path: string, ms: number) {
  const player = new Player(new Recorded(open(path)), { keep: KEEP });
  player.advance(player.recorded.at(ms));
  return player.pipelines;
}

const seekTo = fc
  .double({ min: 0, max: 1, noNaN: true })
  .map((at_ms): ReplayCommand => ({ do: 'seek', at_ms }));
const stepEvent = fc.boolean().map((back): ReplayCommand => ({ do: 'step', to: 'event', back }));
const command = fc.oneof(
  seekTo,
  stepEvent,
  fc.constant<ReplayCommand>({ do: 'step', to: 'alert' }),
  fc.constant<ReplayCommand>({ do: 'step', to: 'teardown', inode: '0.1' }),
);

describe.each(Object.entries(RECORDINGS))('the recording %s', (_, path) => {
  it('shows the same at a time, whatever was shown before', async () => {
    const replay = replayOf(path);
    const { begin_ms, end_ms } = replay.status();
    await fc.assert(
      fc.asyncProperty(
        fc.array(command, { maxLength: 6 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (commands, part) => {
          for (const some of commands) {
            const at = (x: number) => begin_ms + x * (end_ms - begin_ms);
            await replay.command(some.do === 'seek' ? { ...some, at_ms: at(some.at_ms) } : some);
            expect(replay.status().state).toBe('paused');
          }
          const ms = begin_ms + part * (end_ms - begin_ms);
          await replay.seek(ms);
          expect(replay.now()).toBe(ms);
          const expected = straight(path, ms);
          expect(stateOf(replay.pipelines())).toBe(stateOf(expected));
          const all = inodesOf(expected);
          for (const [id, detail] of inodesOf(replay.pipelines())) expect(detail).toBe(all.get(id));
        },
      ),
      { numRuns: 6 },
    );
    replay.stop();
  });
});

describe('the bundled recording', () => {
  const path = RECORDINGS.demo!;

  it('steps from event to event, and back to the same places', async () => {
    const replay = replayOf(path);
    const { begin_ms, end_ms } = replay.status();
    await replay.seek((begin_ms + end_ms) / 2);
    // lines that the models have taken
    const lines = () =>
      [...replay.pipelines()[0]!.model.inodes.all()].reduce(
        (sum, { evidence, evidenceMore }) => sum + evidence.length + evidenceMore,
        0,
      );
    const seen: { at: number; state: string }[] = [];
    const first = lines();
    for (let i = 0; i < 12; i++) {
      const before = replay.now();
      await replay.command({ do: 'step', to: 'event' });
      expect(replay.now()).toBeGreaterThan(before);
      seen.push({ at: replay.now(), state: stateOf(replay.pipelines()) });
    }
    expect(lines()).toBeGreaterThan(first + 5);
    for (const { at, state } of seen.slice(0, -1).reverse()) {
      await replay.command({ do: 'step', to: 'event', back: true });
      expect(replay.now()).toBe(at);
      expect(stateOf(replay.pipelines())).toBe(state);
    }
    replay.stop();
  });

  it('says that there is nothing before the first event and after the last', async () => {
    const replay = replayOf(path);
    const { begin_ms, end_ms } = replay.status();
    await replay.seek(end_ms);
    await replay.command({ do: 'step', to: 'event' });
    expect(replay.status()).toMatchObject({
      at_end: true,
      message: expect.stringMatching(/no event after/),
    });
    await replay.seek(begin_ms);
    await replay.command({ do: 'step', to: 'event', back: true });
    expect(replay.status()).toMatchObject({
      at_ms: begin_ms,
      message: expect.stringMatching(/no event before/),
    });
    replay.stop();
  });

  it('goes from teardown to teardown at one address, each a life of its own', async () => {
    const replay = replayOf(path);
    const { end_ms, begin_ms } = replay.status();
    // the address that was given to most inodes
    const lives = new Map<number, Set<number>>();
    for (const inode of straight(path, end_ms)[0]!.model.inodes.all()) {
      if (inode.at('evict') === null) continue;
      const numbers = lives.get(inode.address) ?? new Set();
      lives.set(inode.address, numbers.add(inode.number));
    }
    const [address, numbers] = [...lives].sort((a, b) => b[1].size - a[1].size)[0]!;
    expect(numbers.size).toBeGreaterThan(2);
    await replay.seek(begin_ms);
    const known = () => [...(replay.pipelines()[0]?.model.inodes.all() ?? [])];
    const first = () => known().find((inode) => inode.address === address);
    while (first() === undefined) await replay.command({ do: 'step', to: 'event' });
    const found = new Set<number>();
    if (first()!.state !== 'open') found.add(first()!.number);
    for (let shown = first()!.number; ; ) {
      await replay.command({ do: 'step', to: 'teardown', inode: `0.${shown}` });
      const { inode, message } = replay.status();
      if (message !== '') break;
      shown = Number(inode.split('.')[1]);
      const evicted = replay.pipelines()[0]!.model.inodes.byNumber(shown)!;
      expect(evicted.address).toBe(address);
      // the step ends where evict() begins, or with the one line that tells all of it
      expect(evicted.at('evict')).not.toBeNull();
      expect(found.has(shown)).toBe(false);
      found.add(shown);
    }
    expect(replay.status().message).toMatch(/no inode is evicted/);
    expect([...found].sort()).toEqual([...numbers].sort());
    replay.stop();
  });

  it('plays on at any speed, and ends where straight play ends', async () => {
    const replay = replayOf(path);
    const { begin_ms, end_ms } = replay.status();
    const played = replay.play(Number.POSITIVE_INFINITY);
    expect(replay.status().state).toBe('playing');
    await played;
    expect(replay.status()).toMatchObject({ state: 'paused', at_end: true, at_ms: end_ms });
    expect(stateOf(replay.pipelines())).toBe(stateOf(straight(path, end_ms)));
    // play at the end begins again
    await replay.command({ do: 'speed', speed: 1000 });
    await replay.command({ do: 'play' });
    expect(replay.now()).toBeGreaterThanOrEqual(begin_ms);
    expect(replay.status()).toMatchObject({ state: 'playing', at_end: false });
    replay.pause();
    const { at_ms } = replay.status();
    expect(stateOf(replay.pipelines())).toBe(stateOf(straight(path, at_ms)));
    replay.stop();
  });

  it('takes the saved states where it cannot play so fast, and shows what was there', async () => {
    const replay = replayOf(path);
    const { begin_ms, end_ms } = replay.status();
    while (!replay.scan.done) replay.scan.work(50);
    const { generation } = replay.status();
    await replay.play(Number.POSITIVE_INFINITY);
    expect(replay.skips).toBe(replay.states().count);
    expect(replay.status()).toMatchObject({ at_end: true, at_ms: end_ms, generation });
    expect(stateOf(replay.pipelines())).toBe(stateOf(straight(path, end_ms)));
    // a pace that nobody can keep: all of it in a few frames
    await replay.seek(begin_ms);
    const shown: { at_ms: number; state: string }[] = [];
    const before = replay.skips;
    const played = replay.play(1_000_000);
    const watch = setInterval(() => {
      const { at_ms, state } = replay.status();
      if (state !== 'playing') return;
      expect(at_ms).toBeGreaterThanOrEqual(shown.at(-1)?.at_ms ?? 0);
      shown.push({ at_ms, state: stateOf(replay.pipelines()) });
    }, 1);
    await played;
    clearInterval(watch);
    expect(replay.skips).toBeGreaterThanOrEqual(before);
    for (const { at_ms, state } of shown.slice(0, 20)) {
      expect(state).toBe(stateOf(straight(path, at_ms)));
    }
    expect(stateOf(replay.pipelines())).toBe(stateOf(straight(path, end_ms)));
    replay.stop();
  });

  it('plays the end of it, so that the inodes there are all listed', async () => {
    const replay = replayOf(path, 10_000, 30_000);
    const { end_ms } = replay.status();
    while (!replay.scan.done) replay.scan.work(50);
    await replay.play(Number.POSITIVE_INFINITY);
    expect(replay.skips).toBeGreaterThan(0);
    expect(replay.skips).toBeLessThan(replay.states().count);
    expect(stateOf(replay.pipelines())).toBe(stateOf(straight(path, end_ms)));
    replay.stop();
  });

  it('skips from where it is on its way to', async () => {
    const replay = replayOf(path);
    const { begin_ms } = replay.status();
    await replay.seek(begin_ms + 20_000);
    const skip = (by_ms: number) => replay.command({ do: 'skip', by_ms });
    await Promise.all([skip(10_000), skip(10_000), skip(-1000)]);
    expect(replay.now()).toBe(begin_ms + 39_000);
    await skip(-100_000);
    expect(replay.now()).toBe(begin_ms);
    replay.stop();
  });

  it('lets the last of several commands win', async () => {
    const replay = replayOf(path);
    const { begin_ms, end_ms } = replay.status();
    const third = begin_ms + (end_ms - begin_ms) / 3;
    await Promise.all([
      replay.command({ do: 'seek', at_ms: end_ms }),
      replay.command({ do: 'step', to: 'alert' }),
      replay.command({ do: 'seek', at_ms: begin_ms }),
      replay.command({ do: 'seek', at_ms: third }),
    ]);
    expect(replay.status()).toMatchObject({ state: 'paused', at_ms: third });
    expect(stateOf(replay.pipelines())).toBe(stateOf(straight(path, third)));
    replay.stop();
  });
});

it('an alert is found, where it fires and not before', async () => {
  const replay = replayOf(RECORDINGS['failed-mount-6.18']!);
  const fired = () => replay.pipelines().reduce((n, p) => n + p.alerts.fired, 0);
  const { begin_ms, end_ms } = replay.status();
  const total = straight(RECORDINGS['failed-mount-6.18']!, end_ms)[0]!.alerts.fired;
  expect(total).toBeGreaterThan(0);
  await replay.seek(begin_ms);
  let before = 0;
  while (before < total) {
    await replay.command({ do: 'step', to: 'alert' });
    expect(replay.status().message).toBe('');
    expect(fired()).toBeGreaterThan(before);
    before = fired();
    const at = replay.now();
    await replay.command({ do: 'step', to: 'event', back: true });
    expect(fired()).toBeLessThan(before);
    await replay.seek(at);
  }
  await replay.command({ do: 'step', to: 'alert' });
  expect(replay.status().message).toMatch(/no alert/);
  expect(replay.marks().alerts).toHaveLength(total);
  for (const { at_ms } of replay.marks().alerts) {
    expect(at_ms).toBeGreaterThanOrEqual(begin_ms);
    expect(at_ms).toBeLessThanOrEqual(end_ms);
  }
  replay.stop();
});

it('what was marked adds up to what is in the recording', async () => {
  const replay = replayOf(RECORDINGS.demo!);
  const { begin_ms, end_ms } = replay.status();
  await replay.seek(begin_ms);
  expect(replay.marks().rate.every((events) => events === 0)).toBe(true);
  while (!replay.scan.done) replay.scan.work(50);
  const events = straight(RECORDINGS.demo!, end_ms).reduce((n, p) => n + p.ledger.events, 0);
  expect(replay.marks().rate.reduce((sum, n) => sum + n, 0)).toBe(events);
  expect(replay.status().scanned_ms).toBe(end_ms);
});

describe('states in the file', () => {
  /** A copy of the bundled recording with a state after each tenth chunk. */
  function withStates(name: string, change: (state: Buffer) => Buffer = (state) => state): string {
    const file = join(DIR, name);
    copyFileSync(RECORDINGS.demo!, file);
    const player = new Player(new Recorded(open(RECORDINGS.demo!)), { keep: KEEP });
    const db = new DatabaseSync(file);
    const store = CheckpointStore.create(db);
    const { chunks } = player.recorded;
    for (let i = 10; i < chunks.length; i += 10) {
      player.advance({ chunk: i, offset: 0 });
      store.write(chunks[i - 1]!.seq, chunks[i - 1]!.toMs, change(player.save()));
    }
    db.close();
    return file;
  }

  it('are taken: nothing before them is played again', async () => {
    const replay = replayOf(withStates('good.lastref'));
    const { begin_ms, end_ms } = replay.status();
    const ms = begin_ms + (end_ms - begin_ms) * 0.9;
    await replay.seek(ms);
    expect(replay.status()).toMatchObject({ generation: 1, scanned_ms: begin_ms });
    expect(stateOf(replay.pipelines())).toBe(stateOf(straight(RECORDINGS.demo!, ms)));
    replay.stop();
  });

  it.each([
    [
      'of another lastref',
      (state: Buffer) => Buffer.concat([Buffer.alloc(32, 7), state.subarray(32)]),
    ],
    ['that are damaged', (state: Buffer) => state.subarray(0, state.length / 2)],
    ['that are empty', () => Buffer.alloc(0)],
  ])('%s are as good as not there', async (name, change) => {
    const replay = replayOf(withStates(`${name}.lastref`, change));
    const { begin_ms, end_ms } = replay.status();
    for (const part of [0.9, 0.2, 0.5]) {
      const ms = begin_ms + (end_ms - begin_ms) * part;
      await replay.seek(ms);
      expect(stateOf(replay.pipelines())).toBe(stateOf(straight(RECORDINGS.demo!, ms)));
    }
    replay.stop();
  });
});

describe('a damaged recording', () => {
  const path = RECORDINGS['guest-6.12']!;

  it('is shown up to the damage, which is said, and can be jumped about in', async () => {
    const whole = readFileSync(path);
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 0.3, max: 0.99, noNaN: true }), async (part) => {
        const file = join(DIR, 'damaged.lastref');
        const damaged = Buffer.from(whole);
        const at = Math.floor(part * damaged.length);
        damaged.fill(0x55, at, Math.min(damaged.length, at + 3000));
        writeFileSync(file, damaged);
        let reader: RecordingReader;
        try {
          reader = new RecordingReader(file);
        } catch (error) {
          // what it says of itself was hit
          expect(error).toBeInstanceOf(RecordingError);
          return;
        }
        const replay = new Replay(reader, {
          keep: KEEP,
          banner: '',
          checkpoints: { everyBytes: 10_000 },
        });
        const { begin_ms, end_ms } = replay.status();
        await replay.seek(end_ms);
        const last = stateOf(replay.pipelines());
        expect(replay.status().at_end).toBe(true);
        await replay.seek((begin_ms + end_ms) / 2);
        await replay.seek(end_ms);
        expect(stateOf(replay.pipelines())).toBe(last);
        if (reader.damage !== null) expect(replay.hosts()[0]?.message).toMatch(/damaged/);
        const pipelines = new Replay(reader, { keep: KEEP, banner: '' }).run();
        expect(stateOf(pipelines)).toBe(last);
        replay.stop();
        reader.close();
      }),
      { numRuns: 8 },
    );
  });
});

it('every time is a place in the recording, later times later places', () => {
  const recorded = new Recorded(open(RECORDINGS['guest-6.12']!));
  const { beginMs, endMs, end } = recorded;
  expect(recorded.at(beginMs)).toEqual({ chunk: 0, offset: 0 });
  expect(recorded.at(endMs)).toEqual(end);
  fc.assert(
    fc.property(
      fc.double({ min: -1, max: 2, noNaN: true }),
      fc.double({ min: -1, max: 2, noNaN: true }),
      (x, y) => {
        const [a, b] = [x, y].map((part) => beginMs + part * (endMs - beginMs)) as [number, number];
        const order = compare(recorded.at(a), recorded.at(b));
        expect(Math.sign(order) * Math.sign(a - b)).toBeGreaterThanOrEqual(0);
        // the time of a place is the time that led there, but for the idle time between chunks
        if (a >= beginMs && a <= endMs)
          expect(recorded.timeOf(recorded.at(a))).toBeLessThan(a + 1000);
      },
    ),
  );
});
