import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { FrameKind } from '../../server/protocol/recording.ts';
import { RecordingError, RecordingReader } from '../../server/recording/reader.ts';
import { RecordingWriter } from '../../server/recording/writer.ts';
import { DEMO } from '../fixtures/recordings.ts';
import { epochOf } from '../fixtures/trace.ts';

const DIR = mkdtempSync(join(tmpdir(), 'lastref-test-'));
afterAll(() => rmSync(DIR, { recursive: true }));

let file = '';
let count = 0;
beforeEach(() => {
  file = join(DIR, `${++count}.lastref`);
});

interface Told {
  epoch: number;
  kind: FrameKind;
  text: string;
}

const JSON_FRAMES = {
  begin: JSON.stringify({ programs: ['evict', 'tick'] }),
  end: JSON.stringify({ wanted: false, why: 'bpftrace was killed (SIGKILL)' }),
};

const frame = (epochs: number) =>
  fc.record({
    epoch: fc.integer({ min: 1, max: epochs }),
    kind: fc.constantFrom<FrameKind>('out', 'err', 'begin', 'end'),
    text: fc.oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.constant('x'.repeat(5000))),
  });

/** Writes frames; `flushes` at these positions, as the timer would. */
function write(frames: readonly Told[], flushes: readonly number[] = [], close = true) {
  const writer = new RecordingWriter(file);
  for (const number of [1, 2, 3]) writer.epoch(epochOf({ number, boot_id: `boot-${number}` }));
  frames.forEach(({ epoch, kind, text }, i) => {
    if (flushes.includes(i)) writer.flush();
    writer.frame(epoch, kind, Buffer.from(text), 1000 + i);
  });
  if (close) writer.close();
  return writer;
}

/** Everything that can be read, and what the reader says of damage. */
function read(path: string): { frames: Told[]; damage: string | null } {
  const reader = new RecordingReader(path);
  const frames: Told[] = [];
  for (const { epoch, kind, bytes } of reader.frames()) {
    frames.push({ epoch, kind, text: bytes.toString() });
  }
  reader.close();
  return { frames, damage: reader.damage };
}

const valid = (told: Told): Told =>
  told.kind === 'begin' || told.kind === 'end' ? { ...told, text: JSON_FRAMES[told.kind] } : told;

/** The order within an epoch is kept; epochs are independent of each other. */
const byEpoch = (frames: readonly Told[]) =>
  [1, 2, 3].map((n) => frames.filter((f) => f.epoch === n));

describe('a recording', () => {
  it('gives back every frame of every epoch, in order, whenever it was flushed', () => {
    fc.assert(
      fc.property(fc.array(frame(3), { maxLength: 40 }), fc.array(fc.nat(40)), (some, flushes) => {
        rmSync(file, { force: true });
        const frames = some.map(valid);
        write(frames, flushes);
        const told = read(file);
        expect(told.damage).toBeNull();
        expect(byEpoch(told.frames)).toEqual(byEpoch(frames));
      }),
      { numRuns: 30 },
    );
  });

  it('keeps who was traced, and the time of the chunk', () => {
    write([{ epoch: 2, kind: 'out', text: 'a\n' }]);
    const reader = new RecordingReader(file);
    expect(reader.epochs.map((e) => e.boot_id)).toEqual(['boot-1', 'boot-2', 'boot-3']);
    expect(reader.epochs[0]).toEqual(epochOf({ boot_id: 'boot-1' }));
    expect([...reader.frames()]).toMatchObject([{ epoch: 2, atMs: 1000 }]);
    reader.close();
  });

  it('is one file when it is closed, and reading it leaves nothing behind', () => {
    write([{ epoch: 1, kind: 'out', text: 'a\n' }]);
    const mine = () => readdirSync(DIR).filter((name) => name.startsWith(`${count}.`));
    expect(mine()).toEqual([`${count}.lastref`]);
    const before = readFileSync(file);
    const reader = new RecordingReader(file);
    expect([...reader.frames()]).toHaveLength(1);
    expect(mine()).toEqual([`${count}.lastref`]);
    reader.close();
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it('may be read while it is written, up to the last flush', () => {
    const writer = write([{ epoch: 1, kind: 'out', text: 'first\n' }], [], false);
    writer.flush();
    writer.frame(1, 'out', Buffer.from('second\n'), 2000);
    expect(read(file).frames.map((f) => f.text)).toEqual(['first\n']);
    writer.flush();
    expect(read(file).frames.map((f) => f.text)).toEqual(['first\n', 'second\n']);
    writer.close();
    expect(read(file).frames).toHaveLength(2);
  });

  it('opens as a copy of its files taken while it was written, as after kill -9', () => {
    const frames = Array.from({ length: 300 }, (_, i) => ({
      epoch: 1,
      kind: 'out' as const,
      text: `${i} ${Math.sin(i)}\n`.repeat(50),
    }));
    const writer = write(frames, [100, 200], false);
    const copy = `${file}.copy`;
    copyFileSync(file, copy);
    copyFileSync(`${file}-wal`, `${copy}-wal`);
    writer.close();
    const told = read(copy);
    expect(told.damage).toBeNull();
    expect(told.frames).toEqual(frames.slice(0, 200));
  });

  it('opens with the log cut anywhere: what was committed before the cut is there', () => {
    const frames = Array.from({ length: 30 }, (_, i) => ({
      epoch: 1,
      kind: 'out' as const,
      text: `${i}\n`,
    }));
    const writer = write(frames, [...frames.keys()], false);
    const wal = readFileSync(`${file}-wal`);
    const main = readFileSync(file);
    writer.close();
    let most = 0;
    for (let cut = wal.length; cut > 0; cut -= 4001) {
      const copy = `${file}.cut`;
      writeFileSync(copy, main);
      writeFileSync(`${copy}-wal`, wal.subarray(0, cut));
      try {
        const told = read(copy);
        expect(told.frames).toEqual(frames.slice(0, told.frames.length));
        most = Math.max(most, told.frames.length);
      } catch (error) {
        expect(error).toBeInstanceOf(RecordingError);
      }
      rmSync(copy);
      rmSync(`${copy}-wal`, { force: true });
      rmSync(`${copy}-shm`, { force: true });
    }
    expect(most).toBe(29);
  });
});

describe('a recording of format 1', () => {
  it('is read as it was written, and not a byte of it is changed', () => {
    copyFileSync(DEMO, file);
    const before = readFileSync(file);
    const db = new DatabaseSync(file, { readOnly: true });
    expect(db.prepare("SELECT value FROM meta WHERE key = 'format'").get()).toEqual({ value: '1' });
    db.close();
    const told = read(file);
    expect(told.damage).toBeNull();
    expect(told.frames).toHaveLength(1925);
    expect(told.frames[0]).toMatchObject({ epoch: 1, kind: 'begin' });
    expect(readFileSync(file).equals(before)).toBe(true);
    expect(readdirSync(DIR).filter((name) => name.startsWith(`${count}.`))).toHaveLength(1);
  });

  it('says that it has no end', () => {
    copyFileSync(DEMO, file);
    const db = new DatabaseSync(file);
    db.exec('DELETE FROM chunks WHERE seq = (SELECT max(seq) FROM chunks)');
    db.close();
    const reader = new RecordingReader(file);
    expect(reader.notes).toEqual([expect.stringMatching(/^It has no end: lastref was killed/)]);
    reader.close();
  });
});

describe('a damaged recording', () => {
  // incompressible, so that chunks fill pages
  const frames = Array.from({ length: 120 }, (_, i) => ({
    epoch: 1,
    kind: 'out' as const,
    text: Array.from({ length: 150 }, (_, k) => Math.sin(i * 1000 + k).toString(36)).join(''),
  }));

  it('gives everything up to where it is cut off, and says that it is damaged', () => {
    write([]);
    const head = statSync(file).size; // what the file is, and who was traced
    rmSync(file);
    write(frames, [...frames.keys()]);
    const whole = readFileSync(file);
    let previous = 0;
    for (let cut = 0; cut < whole.length; cut += 3001) {
      const copy = `${file}.cut`;
      writeFileSync(copy, whole.subarray(0, cut));
      let told: ReturnType<typeof read> = { frames: [], damage: ' is damaged: ' };
      try {
        told = read(copy);
      } catch (error) {
        expect(error).toBeInstanceOf(RecordingError);
        expect((error as Error).message).toMatch(/: (not a recording of lastref|is damaged: )/);
      }
      expect(told.damage, `${cut} of ${whole.length} bytes`).toMatch(/ is damaged: /);
      expect(told.frames).toEqual(frames.slice(0, told.frames.length));
      expect(told.frames.length).toBeGreaterThanOrEqual(previous);
      // a chunk lies in one page or two: all but the last few before the cut are there
      const share = (cut - head) / (whole.length - head);
      expect(told.frames.length / frames.length).toBeGreaterThan(share - 0.05);
      previous = told.frames.length;
    }
  });

  it('gives a prefix, whichever bytes are wrong, and throws nothing else', () => {
    write(frames, [...frames.keys()]);
    const whole = readFileSync(file);
    fc.assert(
      fc.property(
        fc.nat(whole.length - 1),
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        (at, noise) => {
          const copy = `${file}.noise`;
          const bytes = Buffer.from(whole);
          bytes.set(noise.subarray(0, bytes.length - at), at);
          writeFileSync(copy, bytes);
          try {
            const { frames: told, damage } = read(copy);
            expect(told).toEqual(frames.slice(0, told.length));
            if (damage === null) expect(told).toHaveLength(frames.length);
          } catch (error) {
            if (!(error instanceof RecordingError)) throw error;
          } finally {
            rmSync(copy);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('misses a chunk in its middle, however it is read', () => {
    write(frames, [...frames.keys()]);
    const db = new DatabaseSync(file);
    const { seq } = db.prepare('SELECT max(seq) / 2 AS seq FROM chunks').get() as { seq: number };
    db.prepare('DELETE FROM chunks WHERE seq = ?').run(seq);
    db.close();
    const { frames: told, damage } = read(file);
    expect(damage).toMatch(new RegExp(`is damaged: chunk ${seq} is missing`));
    expect(told).toEqual(frames.slice(0, told.length));
    const reader = new RecordingReader(file);
    expect(reader.chunks().map((chunk) => chunk.seq)).toEqual(
      Array.from({ length: seq - 1 }, (_, i) => i + 1),
    );
    expect(reader.damage).toBe(damage);
    reader.close();
  });

  it.each([
    ['its last chunk is gone', 'DELETE FROM chunks WHERE seq = 120', /chunk 120 is missing/],
    ['of an epoch that is none', 'UPDATE chunks SET epoch = 7 WHERE seq = 60', /an epoch 7, which/],
    ['of no time', 'UPDATE chunks SET from_ms = 1e300 WHERE seq = 60', /chunk 60 is of no time/],
    ['without its times', 'UPDATE chunks SET events = 5 WHERE seq = 60', /lost its times/],
    ['before 1970', 'UPDATE chunks SET from_ms = -1 WHERE seq = 60', /chunk 60 is of no time/],
  ])('is told where a chunk is %s', (_, sql, damage) => {
    write(frames, [...frames.keys()]);
    const db = new DatabaseSync(file);
    db.exec('PRAGMA foreign_keys = OFF');
    db.exec(sql);
    db.close();
    const told = read(file);
    expect(told.damage).toMatch(damage);
    expect(told.frames).toEqual(frames.slice(0, told.frames.length));
    expect(told.frames.length).toBeGreaterThan(50);
    const reader = new RecordingReader(file);
    const chunks = reader.chunks().map((chunk) => reader.framesOf(chunk));
    const upTo = chunks.findIndex(({ whole }) => !whole);
    const good = upTo < 0 ? chunks : chunks.slice(0, upTo);
    expect(good).toHaveLength(told.frames.length);
    expect(reader.damage).toBe(told.damage);
    reader.close();
  });

  it('does not fill the memory with a chunk that says it is very large', () => {
    write(frames, [...frames.keys()]);
    const db = new DatabaseSync(file);
    const large = zstdCompressSync(Buffer.alloc(65 << 20));
    expect(large.length).toBeLessThan(10_000);
    db.prepare('UPDATE chunks SET frames = ? WHERE seq = 3').run(large);
    db.close();
    expect(read(file)).toMatchObject({ damage: expect.stringContaining('is damaged') });
    expect(read(file).frames).toEqual(frames.slice(0, 2));
  });

  it('is refused where its format is not that of its tables', () => {
    write([{ epoch: 1, kind: 'out', text: 'tick 4259000000000 0 0 0 1\n' }]);
    const db = new DatabaseSync(file);
    db.exec("UPDATE meta SET value = '1' WHERE key = 'format'");
    db.close();
    expect(() => read(file)).toThrow(/is damaged: .*of format 1, and its tables are of another/);
  });

  it('is refused where it tells a time that cannot be', () => {
    write([{ epoch: 1, kind: 'out', text: 'a\n' }]);
    const db = new DatabaseSync(file);
    db.exec("UPDATE epochs SET info = json_set(info, '$.started_ms', 1e17)");
    db.close();
    expect(() => read(file)).toThrow(RecordingError);
    expect(() => read(file)).toThrow(`${file}: is damaged: `);
  });

  it('says which frame it is that cannot be', () => {
    write([{ epoch: 1, kind: 'begin', text: '{"programs":["no_such_line"]}' }]);
    expect(read(file)).toMatchObject({ frames: [], damage: expect.stringContaining('is damaged') });
  });
});

describe('a file that is no recording', () => {
  it.each([
    ['there is no such file', () => {}],
    ['not a recording of lastref', () => writeFileSync(file, 'hello\n')],
    ['not a recording of lastref', () => writeFileSync(file, '')],
    [
      'not a recording of lastref',
      () => {
        const db = new DatabaseSync(file);
        db.exec('CREATE TABLE chunks (a)');
        db.close();
      },
    ],
    [
      'has format 9, written by lastref 0.1.0; this lastref reads formats 1 to 2',
      () => {
        write([]);
        const db = new DatabaseSync(file);
        db.exec("UPDATE meta SET value = '9' WHERE key = 'format'");
        db.close();
      },
    ],
    [
      'is damaged: ', // killed before the tables were made
      () => {
        const db = new DatabaseSync(file);
        db.exec(`PRAGMA application_id = ${0x6c726566}; CREATE TABLE other (a)`);
        db.close();
      },
    ],
  ])('is refused: %s', (message, make) => {
    make();
    expect(() => new RecordingReader(file)).toThrow(RecordingError);
    expect(() => new RecordingReader(file)).toThrow(`${file}: ${message}`);
  });
});

describe('the writer', () => {
  it('never overwrites a file, whatever it is', () => {
    writeFileSync(file, 'precious');
    expect(() => new RecordingWriter(file)).toThrow(/exists already; .* Take another name/);
    expect(readFileSync(file, 'utf8')).toBe('precious');
  });

  it('closes also while somebody reads', () => {
    const writer = write([{ epoch: 1, kind: 'out', text: 'a\n' }], [], false);
    writer.flush();
    const reader = new RecordingReader(file);
    const frames = reader.frames()[Symbol.iterator]();
    frames.next();
    writer.close();
    reader.close();
    expect(read(file)).toMatchObject({ frames: [{ text: 'a\n' }], damage: null });
  });

  it('commits by itself within a second', async () => {
    const writer = write([{ epoch: 1, kind: 'out', text: 'a\n' }], [], false);
    expect(read(file).frames).toHaveLength(0);
    await new Promise((resolve) => setTimeout(resolve, 900));
    expect(read(file).frames).toHaveLength(1);
    writer.close();
  });

  it('takes few bytes for an event', () => {
    const text = Array.from(
      { length: 20_000 },
      (_, i) =>
        `evict_end ${478385154148 + i * 4711} ${i % 4} 391 391 ff48754441${(i % 97).toString(16).padStart(4, '0')}00\n`,
    ).join('');
    write([{ epoch: 1, kind: 'out', text }]);
    expect(statSync(file).size / 20_000).toBeLessThan(16);
    expect(existsSync(`${file}-wal`)).toBe(false);
  });
});
