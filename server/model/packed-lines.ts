/**
 * Lines as numbers in one array. An inode that has ended keeps its lines until it is dropped, and
 * there are tens of thousands; as objects they would be most of what the collector of garbage has
 * to look at, and nobody reads most of them again.
 */
import { LINE_PLACE } from '../protocol/by-line.ts';
import type { TraceEvent } from '../protocol/events.ts';
import { type FieldType, LINE_NAMES, LINES, type LineName } from '../protocol/grammar.ts';

export interface PackedLines {
  /** Of each line its LINE_PLACE and what is a number in it, in the order of the grammar. */
  readonly numbers: readonly number[];
  /** What is none, line by line. */
  readonly words: readonly string[];
}

/** Where a reader is. */
interface Cursor {
  readonly numbers: readonly number[];
  readonly words: readonly string[];
  number: number;
  word: number;
}

type Write = (event: TraceEvent, numbers: number[], words: string[], at: number) => number;
type Read = (from: Cursor) => TraceEvent;

const WORDS: readonly FieldType[] = ['s', 'c', 't'];

const fieldsOf = (name: LineName): (readonly [string, boolean])[] => [
  ...['ts', 'cpu', 'pid', 'tid'].map((field) => [field, false] as const),
  ...LINES[name].fields.map(([field, type]) => [field, WORDS.includes(type)] as const),
];

/** Compiled, as the readers of lines are: an event has as many shapes as there are lines. */
function writerOf(name: LineName): Write {
  let at = 1;
  const body = [`numbers[at] = ${LINE_PLACE[name]};`];
  for (const [field, isWord] of fieldsOf(name)) {
    const value = `event[${JSON.stringify(field)}]`;
    body.push(isWord ? `words.push(${value});` : `numbers[at + ${at++}] = ${value};`);
  }
  body.push(`return at + ${at};`);
  return new Function('event', 'numbers', 'words', 'at', body.join('\n')) as Write;
}

/** In the order of the grammar, so that it has the shape of those that the decoder makes. */
function readerOf(name: LineName): Read {
  let number = 0;
  let word = 0;
  const values = fieldsOf(name).map(([field, isWord]) => {
    const value = isWord ? `words[w + ${word++}]` : `numbers[n + ${number++}]`;
    return `${JSON.stringify(field)}: ${value}`;
  });
  const body = [
    'const { numbers, words, number: n, word: w } = from;',
    `from.number += ${number}; from.word += ${word};`,
    `return { kind: ${JSON.stringify(name)}, ${values.join(', ')} };`,
  ];
  return new Function('from', body.join('\n')) as Read;
}

const WRITERS = LINE_NAMES.map(writerOf);
const READERS = LINE_NAMES.map(readerOf);

/** Doubles from the first on, and copied from: that is far faster than to let an array grow. */
const scratch: number[] = [Number.NaN];
const spelled: string[] = [];
/** Those of the inode before: mostly the same tasks end the same inodes. */
let last: readonly string[] = [];

export function packLines(events: readonly TraceEvent[]): PackedLines {
  let at = 0;
  spelled.length = 0;
  for (const event of events) at = WRITERS[LINE_PLACE[event.kind]]!(event, scratch, spelled, at);
  if (last.length !== spelled.length || spelled.some((word, i) => word !== last[i])) {
    last = spelled.slice();
  }
  return { numbers: scratch.slice(0, at), words: last };
}

/** The same lines; each time others. */
export function unpackLines({ numbers, words }: PackedLines): TraceEvent[] {
  const from: Cursor = { numbers, words, number: 0, word: 0 };
  const events: TraceEvent[] = [];
  while (from.number < numbers.length) events.push(READERS[numbers[from.number++]!]!(from));
  return events;
}
