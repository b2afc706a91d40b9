/** A recording whose tables are whole, and say what no lastref would write. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Random } from '../support/random.ts';
import { duplicate, flipBit, insert, ROOM, remove, replaceByte, replaceWord } from './mutate.ts';

const DAMAGES = [replaceByte, flipBit, remove, duplicate, insert, replaceWord];

const INTEGERS = [0, -1, 1, 2, 77, 2 ** 31, 2 ** 53 - 1, -(2 ** 63), 2 ** 62];
const REALS = [0, -1, 0.5, 1e300, -1e300, Number.POSITIVE_INFINITY, 5e-324, 8.64e15, 1e16, 2 ** 41];
/** More zeros than a chunk may have, in a few kilobytes. */
const LARGE = zstdCompressSync(Buffer.alloc(100 << 20));

/** Changes one thing in one row. */
export function changeRow(file: string, random: Random): void {
  const db = new DatabaseSync(file);
  try {
    db.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF');
    const what = random.below(10);
    if (what < 5) changeBytes(db, random);
    else if (what < 8) changeNumber(db, random);
    else changeText(db, random);
  } finally {
    db.close();
  }
}

function anyChunk(db: DatabaseSync, random: Random): number {
  const { most } = db.prepare('SELECT max(seq) AS most FROM chunks').get() as { most: number };
  return 1 + random.below(most);
}

/** Frames or times of a chunk: damaged before they are compressed, so that zstd has no say. */
function changeBytes(db: DatabaseSync, random: Random): void {
  const seq = anyChunk(db, random);
  const column = random.pick(['frames', 'times']);
  const set = db.prepare(`UPDATE chunks SET ${column} = ? WHERE seq = ?`);
  if (random.once(200)) {
    set.run(LARGE, seq);
    return;
  }
  const row = db.prepare(`SELECT ${column} AS bytes FROM chunks WHERE seq = ?`).get(seq);
  const { bytes } = row as { bytes: Uint8Array | null };
  if (bytes === null || random.once(10)) {
    set.run(random.pick([Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(100)]), seq);
    return;
  }
  const data = zstdDecompressSync(bytes);
  const buf = Buffer.alloc(data.length * 2 + 8 * ROOM);
  // the first bytes are a head: of a frame, or of all times
  const part = random.once(2) ? Math.min(data.length, 16) : data.length;
  let length = data.copy(buf, 0, 0, part);
  for (let rest = random.below(3); rest >= 0; rest--) {
    length = random.pick(DAMAGES)(buf, 0, length, random);
  }
  length += data.subarray(part).copy(buf, length);
  set.run(zstdCompressSync(buf.subarray(0, length)), seq);
}

function changeNumber(db: DatabaseSync, random: Random): void {
  const seq = anyChunk(db, random);
  const column = random.pick(['seq', 'epoch', 'from_ms', 'to_ms', 'bytes', 'events']);
  const value = random.pick(column.endsWith('_ms') ? REALS : INTEGERS);
  const isWhole = !column.endsWith('_ms');
  const put: SQLInputValue = isWhole ? BigInt(value) : value;
  try {
    db.prepare(`UPDATE chunks SET ${column} = ? WHERE seq = ?`).run(put, seq);
  } catch {
    // there is one of this number already
  }
}

/** What the file says of itself, and of who was traced. */
function changeText(db: DatabaseSync, random: Random): void {
  const [table, column] = random.pick([
    ['epochs', 'info'],
    ['epochs', 'info'],
    ['meta', 'value'],
  ]);
  const rows = db.prepare(`SELECT rowid AS id, ${column} AS text FROM ${table}`).all();
  const { id, text } = random.pick(rows as { id: number; text: string }[]);
  const buf = Buffer.alloc(text.length * 2 + 8 * ROOM);
  let length = buf.write(text, 'utf8');
  for (let rest = random.below(3); rest >= 0; rest--) {
    length = random.pick(DAMAGES)(buf, 0, length, random);
  }
  const put = random.once(3) ? nastyNumber(text, random) : buf.toString('utf8', 0, length);
  db.prepare(`UPDATE ${table} SET ${column} = ? WHERE rowid = ?`).run(put, id);
}

/** The JSON stays JSON; one number in it is another. */
function nastyNumber(json: string, random: Random): string {
  const numbers = [...json.matchAll(/:(-?\d+)/g)];
  if (numbers.length === 0) return json;
  const { index, 0: old } = random.pick(numbers);
  const other = random.pick(['0', '1', '-1', '1e308', '9007199254740991', '4294967296', 'null']);
  return `${json.slice(0, index)}:${other}${json.slice(index + old.length)}`;
}
