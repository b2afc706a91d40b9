/**
 * What the agent says on its standard error, damaged. One input is one line; some hundred
 * make a stream, which is cut into chunks anywhere.
 */
import { type AgentLine, LineSplitter, parseAgentLine } from '../../server/tracer/agent-lines.ts';
import { framesOf, RECORDINGS } from '../fixtures/recordings.ts';
import { Random } from '../support/random.ts';
import {
  cutTail,
  type Damage,
  duplicate,
  flipBit,
  insert,
  ROOM,
  remove,
  removeWord,
  repeatTo,
  replaceByte,
  replaceWord,
  splice,
} from './mutate.ts';
import { Failed, must, type Target } from './target.ts';

/** Of each kind of line so many real ones are kept. */
const REAL = 100;
const STREAM = 8 * 1024;
const LONGEST = 64 * 1024;
/** What a line is cut to. */
const MAX_LINE = 8192;
const CUTS = 16;

const MADE = [
  'a corrupted 477.71 4096',
  'a online 477.71 0-3,6',
  'a ftrace 477.71 0',
  'a nocanary shmem /dev/shm is not writable',
  'a holder 17 1396629 1 8192 2097152 391 71656d750a fd 5',
  'a holder 2049 7 0 0 2097152 1 6120686f6c6465720a310a mapping 7f7886a00000-7f7886c00000',
  'a holder 17 7 1 0 2097152 1 0a fd 0',
  'a pinner 391 66696f0a fd 4 io_uring 3',
  'a pinner 7 ff1b0a fd 3 vfio',
  'a segment 32769 391 71656d750a 1',
  'a segment 0 391 - 0',
  'a scanned 12.34 whole',
  'a scanned 12.34 part',
  'a died',
  'a exit 137',
  'a fail cannot make a fifo',
  'a constructor 1',
  'b WARNING: Lost 3 events',
  'b a exit 1',
  'sudo: a password is required',
];

/** Lines that say something, in full: as plainly as possible, from the agent's script. */
const FORMS: Readonly<Partial<Record<AgentLine['kind'], RegExp>>> = {
  clock: /^a clock \d+(\.\d+)? \d+$/,
  pool: /^a pool \d+(\.\d+)? \d+ -?\d+ \d+ \d+ (\d+|-) \d+$/,
  online: /^a online \d+(\.\d+)? \d+(-\d+)?(,\d+(-\d+)?)*$/,
  ftrace: /^a ftrace \d+(\.\d+)? [01]$/,
  corrupted: /^a corrupted \d+(\.\d+)? \d+$/,
  misses: /^a misses \d+(\.\d+)? [01]( \d+:\d+:\d+)*$/,
  canary: /^a canary \w+ \d+ \d+$/,
  nocanary: /^a nocanary/,
  holder:
    /^a holder \d+ \d+ [01] \d+ \d+ \d+ ([0-9a-f]{2})*0a (fd \d+|mapping [0-9a-f]+-[0-9a-f]+)$/,
  pinner: /^a pinner \d+ ([0-9a-f]{2})*0a fd \d+ \w+( \d+)?$/,
  segment: /^a segment \d+ \d+ (([0-9a-f]{2})*0a|-) \d+$/,
  scanned: /^a scanned \d+(\.\d+)? (whole|part)$/,
  died: /^a died/,
  exit: /^a exit \d+$/,
  fail: /^a fail/,
  bpftrace: /^b /,
};

export class AgentTarget implements Target {
  readonly growthMb = 8;
  readonly #buf = Buffer.alloc(STREAM + LONGEST + 16 * ROOM);
  readonly #lines: readonly Buffer[];
  readonly #damages: readonly Damage[];

  constructor() {
    this.#lines = templates();
    this.#damages = [
      ...[replaceByte, flipBit, cutTail, remove, duplicate, insert, replaceWord, replaceWord],
      ...[removeWord, splice(this.#lines)],
    ];
  }

  batch(random: Random): number {
    let at = 0;
    let inputs = 0;
    for (; at < STREAM; inputs++) at = this.#put(at, random);
    const stream = this.#buf.subarray(0, at);
    try {
      check(stream, random.below(CUTS));
    } catch (error) {
      throw new Failed(Buffer.from(stream), error);
    }
    return inputs;
  }

  replay(input: Buffer): void {
    for (let cut = 0; cut < CUTS; cut++) check(input, cut);
  }

  close(): void {}

  #put(at: number, random: Random): number {
    const line = random.pick(this.#lines);
    line.copy(this.#buf, at);
    let { length } = line;
    for (let rest = random.below(4); rest > 0; rest--) {
      length = random.pick(this.#damages)(this.#buf, at, length, random);
    }
    if (random.once(2000)) length = repeatTo(this.#buf, at, length, random.below(LONGEST));
    if (random.once(50)) return at + length;
    this.#buf[at + length] = 10;
    return at + length + 1;
  }
}

/** Of each first two words some real lines, and the others by hand. */
function templates(): Buffer[] {
  const known = new Map<string, string[]>();
  for (const file of Object.values(RECORDINGS)) {
    const err = framesOf(file).frames.filter(({ kind }) => kind === 'err');
    const text = Buffer.concat(err.map(({ bytes }) => bytes)).toString('latin1');
    for (const line of text.split('\n')) {
      const word = line.split(' ').slice(0, 2).join(' ');
      const lines = known.get(word) ?? [];
      if (line !== '' && lines.length < REAL) known.set(word, [...lines, line]);
    }
  }
  return [...known.values(), MADE].flat().map((line) => Buffer.from(line, 'latin1'));
}

function check(stream: Buffer, cut: number): void {
  const parts = stream.toString('latin1').split('\n');
  const last = parts.pop()!;
  // a number of the agent may be cut there
  if (!last.startsWith('a ')) parts.push(last);
  const wanted = parts.filter((line) => line !== '').map((line) => line.slice(0, MAX_LINE));
  let next = 0;
  const splitter = new LineSplitter((line) => {
    must(line === wanted[next++], 'another line than there is');
    said(line, parseAgentLine(line));
  });
  const random = new Random(cut);
  const most = cut === 0 ? stream.length : cut % 4 === 1 ? 30 : 4096;
  for (let from = 0; from < stream.length; ) {
    const to = Math.min(stream.length, from + (cut === 0 ? most : 1 + random.below(most)));
    splitter.push(stream.subarray(from, to));
    must(splitter.rest.length <= MAX_LINE, `keeps ${splitter.rest.length} bytes of a line`);
    from = to;
  }
  splitter.end();
  must(splitter.rest === '', 'keeps a rest after the end');
  must(next === wanted.length, 'fewer lines than there are');
}

function said(line: string, what: AgentLine): void {
  if (what.kind === 'other') {
    must(what.text === line, 'a line that is not known was changed');
    return;
  }
  must(FORMS[what.kind]!.test(line), `${what.kind} was read out of a line that is none`);
  mustBeFinite(what, what.kind);
}

/** No number of what was read is NaN or without end, nor less than nothing. */
function mustBeFinite(value: unknown, where: string): void {
  if (typeof value === 'number') {
    must(Number.isFinite(value), `${where} is ${value}`);
    must(value >= 0 || /\.(reserved|node)$/.test(where), `${where} is ${value}`);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, one] of Object.entries(value)) mustBeFinite(one, `${where}.${key}`);
  }
}
