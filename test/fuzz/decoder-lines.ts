/** Lines as bpftrace prints them, whole and damaged, written into a buffer that is used again. */
import { type FieldType, LINE_NAMES, LINES, type LineSpec } from '../../server/protocol/grammar.ts';
import { framesOf, RECORDINGS } from '../fixtures/recordings.ts';
import { commWords } from '../fixtures/trace.ts';
import { Random } from '../support/random.ts';
import {
  cutTail,
  type Damage,
  duplicate,
  flipBit,
  insert,
  otherName,
  ROOM,
  remove,
  removeWord,
  repeatTo,
  replaceByte,
  replaceWord,
  splice,
} from './mutate.ts';

/** Of each kind of line so many real ones are kept, and so many are made up. */
const REAL = 200;
const MADE = 40;
/** The longest stretch without a newline, bytes. */
export const LONGEST = 256 * 1024;

/** What a task may call itself. */
const COMMS = [
  '\nevict 1 0 0 0',
  'a\nlastref 1 x\n',
  '\x1b]0;x\x07',
  '\u202egnp.exe',
  '<script>alert(1)',
  '=cmd|calc!A0',
  '\ufeffsystemd',
  '\0hidden',
  '"],;\'\\',
  '       ',
];

/** bpftrace's own lines, and frames of a stack. */
const OWN = [
  'Attaching 17 probes...',
  'Attached 24 probes',
  'lastref 1 teardown',
  'lastref 1 hugetlb',
  'lastref 2 teardown',
  '@hits[10]: 1',
  '@hits[3002]: 9007199254740991',
  '@full: 2',
  '@kept: 77',
  '@fs[17]: 1',
  '@',
  'Lost 3 events',
  'Lost 18446744073709551615 events',
  '        hugetlb_fault+1234',
  '        try_grab_folio_fast.part.0+88',
  `        f+${'9'.repeat(230)}`,
  `@fs[17]: ${'1'.repeat(1100)}`,
  'WARNING: Addrspace is not set',
];

/** As comes to mind: what a field of this type may hold. */
const FIELD: Readonly<Record<FieldType, (random: Random) => string>> = {
  u: (random) => digits(random, 20),
  i: (random) => (random.once(3) ? '-' : '') + digits(random, 20),
  x: (random) => hex(random, 1 + random.below(16)),
  a: (random) => (random.once(8) ? '0' : `ff${hex(random, 13)}${random.pick(['0', '8'])}`),
  s: (random) => random.pick(['0', '0x0', 'hugetlbfs_evict_inode', 'f.part.0', 'x'.repeat(128)]),
  c: (random) => commWords(random.pick(COMMS)),
  t: (random) => random.pick(['hugetlbfs', 'tmpfs', 'fuse.a b', 'x'.repeat(64)]),
};

function digits(random: Random, most: number): string {
  const length = 1 + random.below(random.once(8) ? most : 6);
  let text = '';
  for (let i = 0; i < length; i++) text += random.below(10);
  return text;
}

function hex(random: Random, length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) text += random.below(16).toString(16);
  return text;
}

function made(random: Random, name: string, { fields }: LineSpec): string {
  const ts = random.once(20) ? digits(random, 20) : String(4_259_000_000_000 + random.below(1e9));
  const head = [name, ts, random.below(8), random.below(1e6), random.below(1e6)];
  return [...head, ...fields.map(([, type]) => FIELD[type](random))].join(' ');
}

/** Real lines of each kind, made ones of each kind, and those of bpftrace. */
function templates(): { lines: Buffer[]; own: Buffer[] } {
  const byName = new Map<string, Set<string>>();
  for (const file of Object.values(RECORDINGS)) {
    const out = framesOf(file).frames.filter(({ kind }) => kind === 'out');
    const text = Buffer.concat(out.map(({ bytes }) => bytes)).toString('latin1');
    for (const line of text.split('\n')) {
      const name = line.slice(0, line.indexOf(' '));
      if (!(name in LINES)) continue;
      const known = byName.get(name) ?? new Set();
      if (known.size < REAL) byName.set(name, known.add(line));
    }
  }
  const random = new Random(1);
  for (const name of LINE_NAMES) {
    const known = byName.get(name) ?? new Set();
    for (let i = 0; i < MADE; i++) known.add(made(random, name, LINES[name]));
    byName.set(name, known);
  }
  const latin1 = (text: string) => Buffer.from(text, 'latin1');
  return {
    lines: [...byName.values()].flatMap((set) => [...set].map(latin1)),
    own: OWN.map(latin1),
  };
}

export class DecoderLines {
  readonly #lines: readonly Buffer[];
  readonly #own: readonly Buffer[];
  readonly #damages: readonly Damage[];
  readonly #comms = COMMS.map((comm) => Buffer.from(commWords(comm)));

  constructor() {
    const { lines, own } = templates();
    this.#lines = lines;
    this.#own = own;
    const names = [...LINE_NAMES, 'evic', 'evicts', 'lastref', 'no_such_line'].map((name) =>
      Buffer.from(name),
    );
    this.#damages = [
      ...[replaceByte, flipBit, cutTail, remove, duplicate, insert, replaceWord, replaceWord],
      ...[removeWord, otherName(names), splice(lines), this.#comm],
    ];
  }

  /** Writes one line at `at`, damaged or not; gives where the next one begins. */
  put(buf: Buffer, at: number, random: Random): number {
    const line = random.pick(random.once(16) ? this.#own : this.#lines);
    line.copy(buf, at);
    let { length } = line;
    // one in four stays whole: what is good must stay good beside what is not
    for (let rest = random.below(4); rest > 0; rest--) {
      length = random.pick(this.#damages)(buf, at, length, random);
    }
    if (random.once(500)) length = repeatTo(buf, at, length, 1000 + random.below(60));
    else if (random.once(20_000)) length = repeatTo(buf, at, length, random.below(LONGEST));
    if (random.once(50)) return at + length;
    buf[at + length] = 10;
    return at + length + 1;
  }

  /** The last two words become those of a nasty name. */
  readonly #comm: Damage = (buf, at, length, random) => {
    let from = length;
    for (let blanks = 0; from > 0; from--) if (buf[at + from - 1] === 32 && ++blanks === 2) break;
    const words = random.pick(this.#comms);
    words.copy(buf, at + from);
    return Math.min(from + words.length, length + ROOM);
  };
}
