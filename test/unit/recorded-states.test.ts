/** States that are saved while a recording is written: what a replay of it would have come to. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { HEADER_BYTES, headerOf } from '../../server/recording/checkpoint/header.ts';
import type { SaverOptions } from '../../server/recording/checkpoint/saver.ts';
import { restoreState } from '../../server/recording/checkpoint/state.ts';
import type { CheckpointStore, StoredCheckpoint } from '../../server/recording/checkpoint/store.ts';
import { Player } from '../../server/recording/player.ts';
import { Recorded } from '../../server/recording/positions.ts';
import { RecordingReader } from '../../server/recording/reader.ts';
import type { Limits, RecorderOptions } from '../../server/recording/recorder.ts';
import { Replay } from '../../server/recording/replay.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { inodesOf, stateOf } from '../fixtures/pipeline-state.ts';
import { framesOf, type Played, RECORDINGS, RecordedSession } from '../fixtures/recordings.ts';

const KEEP = 20_000;
const OFTEN: SaverOptions = {
  keep: KEEP,
  everyBytes: 20_000,
  share: Number.POSITIVE_INFINITY,
  bytesShare: Number.POSITIVE_INFINITY,
};
const DIR = mkdtempSync(join(tmpdir(), 'lastref-test-'));
const readers: RecordingReader[] = [];
afterAll(() => {
  for (const reader of readers) reader.close();
  rmSync(DIR, { recursive: true });
});

function open(file: string): RecordingReader {
  const reader = new RecordingReader(file);
  readers.push(reader);
  return reader;
}

/** Recorded as a live session does; gives the name of the file. */
function record(name: string, played: Played, more: Partial<RecorderOptions> = {}): string {
  const file = join(DIR, name);
  new RecordedSession(played, { file, states: OFTEN, ...more }).giveAll().close();
  return file;
}

function statesIn(file: string): { store: CheckpointStore; list: StoredCheckpoint[] } {
  const store = open(file).checkpoints();
  return store === null
    ? { store: null as never, list: [] }
    : { store, list: store.list(headerOf(KEEP)) };
}

function playedTo(file: string, afterChunk: number): readonly Pipeline[] {
  const player = new Player(new Recorded(open(file)), { keep: KEEP });
  const chunk = player.recorded.chunks.findIndex(({ seq }) => seq > afterChunk);
  player.advance(chunk < 0 ? player.recorded.end : { chunk, offset: 0 });
  return player.pipelines;
}

describe.each(Object.entries(RECORDINGS))('the recording %s', (name, path) => {
  it('is recorded with states, each what a replay comes to there', () => {
    const file = record(`${name}.lastref`, framesOf(path));
    const { store, list } = statesIn(file);
    expect(list.length).toBeGreaterThan(0);
    const { epochs } = open(file);
    const make = (info: Pipeline['info']) => new Pipeline(info, { keep: KEEP });
    const step = Math.ceil(list.length / 8);
    for (const stored of list.filter((_, i) => i % step === 0)) {
      const restored = restoreState(store.read(stored)!, epochs, { make, keep: KEEP });
      const expected = playedTo(file, stored.afterChunk);
      expect(stateOf(restored)).toBe(stateOf(expected));
      const all = inodesOf(expected);
      for (const [id, detail] of inodesOf(restored)) expect(detail).toBe(all.get(id));
    }
  });
});

describe('a replay of a recording with states', () => {
  const file = record('replayed.lastref', framesOf(RECORDINGS.demo!));
  const replayOf = (of: string, tailBytes = 30_000) =>
    new Replay(open(of), { keep: KEEP, banner: '', checkpoints: { tailBytes } });

  it('goes to its end at full speed without looking through it first', async () => {
    const replay = replayOf(file);
    const { begin_ms, end_ms } = replay.status();
    await replay.play(Number.POSITIVE_INFINITY);
    expect(replay.skips).toBeGreaterThan(2);
    expect(replay.status()).toMatchObject({ at_end: true, at_ms: end_ms, scanned_ms: begin_ms });
    const player = new Player(new Recorded(open(file)), { keep: KEEP });
    player.advance(player.recorded.end);
    expect(stateOf(replay.pipelines())).toBe(stateOf(player.pipelines));
    replay.stop();
  });

  it('goes no further than damage, also where it was left out', async () => {
    const damaged = join(DIR, 'damaged.lastref');
    new RecordedSession(framesOf(RECORDINGS.demo!), { file: damaged, states: OFTEN })
      .giveAll()
      .close();
    const db = new DatabaseSync(damaged);
    const { seq } = db.prepare('SELECT max(seq) / 2 AS seq FROM chunks').get() as { seq: number };
    db.prepare(
      'UPDATE chunks SET frames = substr(frames, 1, length(frames) / 2) WHERE seq = ?',
    ).run(seq);
    db.close();
    const last = stateOf(playedTo(damaged, seq));

    const rushed = replayOf(damaged, 0);
    await rushed.play(Number.POSITIVE_INFINITY);
    expect(stateOf(rushed.pipelines())).toBe(last);
    expect(rushed.hosts()[0]?.message).toMatch(/damaged/);
    rushed.stop();

    // nobody can know before it is read: shown at first, and taken back
    const jumped = replayOf(damaged, 0);
    const { begin_ms, end_ms } = jumped.status();
    await jumped.seek(begin_ms + (end_ms - begin_ms) * 0.9);
    expect(jumped.status().at_end).toBe(false);
    expect(stateOf(jumped.pipelines())).not.toBe(last);
    while (!jumped.scan.done) jumped.scan.work(50);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(jumped.status()).toMatchObject({ at_end: true, state: 'paused' });
    expect(stateOf(jumped.pipelines())).toBe(last);
    expect(jumped.hosts()[0]?.message).toMatch(/damaged/);
    jumped.stop();
  });
});

describe('no states are saved', () => {
  it('in a file that begins in the middle', () => {
    const limits: Limits = { bytes: 300_000, ageMs: null };
    const file = join(DIR, 'parts.lastref');
    const session = new RecordedSession(framesOf(RECORDINGS.demo!), {
      file,
      limits,
      states: OFTEN,
    });
    session.giveAll().close();
    const [first, ...later] = session.recorder.files;
    expect(later.length).toBeGreaterThan(0);
    expect(statesIn(first!).list.length).toBeGreaterThan(0);
    for (const part of later) expect(open(part).checkpoints()).toBeNull();
  });

  it('when they would take more than their share of the time', () => {
    const file = record('share.lastref', framesOf(RECORDINGS.demo!), {
      states: { ...OFTEN, share: 0 },
    });
    // what the first takes is not known before
    expect(statesIn(file).list).toHaveLength(1);
  });

  it('when they would be larger than their share of the file', () => {
    const file = record('bytes.lastref', framesOf(RECORDINGS.demo!), {
      states: { ...OFTEN, bytesShare: 0.5 },
    });
    const { list } = statesIn(file);
    const states = list.reduce((sum, { bytes }) => sum + bytes, 0);
    const chunks = open(file).chunks().length;
    const db = new DatabaseSync(file, { readOnly: true });
    const { bytes } = db
      .prepare('SELECT sum(length(frames) + coalesce(length(times), 0)) AS bytes FROM chunks')
      .get() as { bytes: number };
    db.close();
    expect(chunks).toBeGreaterThan(20);
    expect(list.length).toBeGreaterThan(0);
    // how large the next one is, is not known before
    expect(states - list.at(-1)!.bytes).toBeLessThan(bytes / 2);
  });

  it('of what cannot be saved, and the recording is whole all the same', () => {
    const file = join(DIR, 'strange.lastref');
    const session = new RecordedSession(framesOf(RECORDINGS.demo!), { file, states: OFTEN });
    session.giveAll(0, 5);
    class Strange {}
    Object.assign(session.pipelines[0]!.model.pools, { strange: new Strange() });
    session.giveAll(5).close();
    expect(session.said).toEqual([expect.stringMatching(/no states to seek by.*Strange.*whole/)]);
    expect(session.recorder.failed).toBeNull();
    expect(open(file).notes).toEqual([]);
    expect(stateOf(playedTo(file, Number.POSITIVE_INFINITY))).toBe(
      stateOf(playedTo(RECORDINGS.demo!, Number.POSITIVE_INFINITY)),
    );
  });
});

it('a state begins with the name of the program that made it', () => {
  const { store, list } = statesIn(record('header.lastref', framesOf(RECORDINGS.demo!)));
  expect(store.read(list[0]!)!.subarray(0, HEADER_BYTES)).toEqual(headerOf(KEEP));
});
