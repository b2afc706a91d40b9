/**
 * The filter language, the same in the table, the CLI and REST:
 *
 *   fs:hugetlbfs pages>0 state:grace comm:qemu* ino:123 owed>0 evict>1ms -comm:sh doubtful
 *
 * Terms are joined by AND; `-` in front negates one; a bare word is looked for in
 * comm, fs and ino. `*` in a text stands for anything.
 */
import type { InodeRow } from './messages.ts';

/** What can be compared, and what it holds. Also the completion of the page. */
export const FILTER_KEYS = {
  fs: 'text',
  state: 'text',
  comm: 'text',
  host: 'text',
  dev: 'text',
  address: 'text',
  ino: 'number',
  pid: 'number',
  nlink: 'number',
  size: 'number',
  pages: 'number',
  freed: 'number',
  owed: 'number',
  evict: 'duration',
  grace: 'duration',
} as const;
type Key = keyof typeof FILTER_KEYS;

/** Words that stand alone. */
export const FILTER_FLAGS = ['doubtful', 'leak'] as const;

export type Filter = (row: InodeRow) => boolean;

/** Where and why an expression is none. */
export class FilterError extends Error {
  /** Characters from the start of the expression. */
  readonly at: number;
  constructor(message: string, at: number) {
    super(message);
    this.name = 'FilterError';
    this.at = at;
  }
}

/** Bounds of an expression: it is asked of every inode, several times a second. */
const MAX_LENGTH = 1000;
const MAX_TERMS = 50;
const MAX_STARS = 50;

const UNIT_NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9 };

/** Throws FilterError. An empty expression lets everything through. */
export function parseFilter(expression: string): Filter {
  if (expression.length > MAX_LENGTH) {
    throw new FilterError(
      `the filter has ${expression.length} characters: ${MAX_LENGTH} at most`,
      MAX_LENGTH,
    );
  }
  const star = [...expression.matchAll(/\*/g)][MAX_STARS];
  if (star !== undefined) {
    throw new FilterError(`more than ${MAX_STARS} "*": leave some out`, star.index);
  }
  const terms: Filter[] = [];
  for (const match of expression.matchAll(/\S+/g)) {
    if (terms.length === MAX_TERMS) {
      throw new FilterError(`more than ${MAX_TERMS} terms: leave some out`, match.index);
    }
    terms.push(parseTerm(match[0], match.index));
  }
  return (row) => terms.every((term) => term(row));
}

function parseTerm(word: string, at: number): Filter {
  const minus = /^-*(?=[^-]|-$)/.exec(word)![0].length;
  const term = parsePositive(word.slice(minus), at + minus);
  return minus % 2 === 0 ? term : (row) => !term(row);
}

function parsePositive(word: string, at: number): Filter {
  const match = /^([A-Za-z_]+)(>=|<=|!=|[:=<>])(.*)$/.exec(word);
  if (match === null) return parseWord(word);
  const [, key, operator, value] = match as unknown as [string, string, string, string];
  if (key === 'stage' && operator === ':') return parseStage(value, at + 'stage:'.length);
  if (!Object.hasOwn(FILTER_KEYS, key)) {
    throw new FilterError(
      `unknown key ${JSON.stringify(key)}; known are ${Object.keys(FILTER_KEYS).join(', ')}`,
      at,
    );
  }
  const type: 'text' | 'number' | 'duration' = FILTER_KEYS[key as Key];
  const valueAt = at + key.length + operator.length;
  if (value === '') throw new FilterError(`${key}${operator} what?`, valueAt);
  if (type === 'text') return textTerm(key as Key, operator, value, at + key.length);
  const wanted = type === 'number' ? Number(value) : parseDuration(value);
  if (wanted === null || Number.isNaN(wanted)) {
    const example = type === 'number' ? 'a number' : 'a duration such as 50ms, 3us or 1.5s';
    throw new FilterError(`${key}: expected ${example}, got ${JSON.stringify(value)}`, valueAt);
  }
  return numberTerm(key as Key, operator, wanted);
}

/** How a stage is also asked for: `stage:rcu>50ms`. */
const STAGE_KEYS: Readonly<Record<string, Key>> = { evict: 'evict', grace: 'grace', rcu: 'grace' };

function parseStage(value: string, at: number): Filter {
  const match = /^([A-Za-z_]+)((?:>=|<=|!=|[=<>]).*)$/.exec(value);
  const name = match?.[1] ?? '';
  if (match === null || !Object.hasOwn(STAGE_KEYS, name)) {
    const known = Object.keys(STAGE_KEYS).join(', ');
    throw new FilterError(`stage: expected such as rcu>50ms; known are ${known}`, at);
  }
  const key = STAGE_KEYS[name]!;
  return parsePositive(`${key}${match[2]}`, at + name.length - key.length);
}

function parseWord(word: string): Filter {
  if (word === 'doubtful') return (row) => row.doubtful;
  if (word === 'leak') return (row) => (row.owed ?? 0) > 0;
  const like = wildcard(`*${word}*`);
  const likeFs = word === 'shmem' ? wildcard('tmpfs') : like;
  return (row) => like(row.comm) || likeFs(row.fs) || String(row.ino) === word;
}

function textTerm(key: Key, operator: string, value: string, at: number): Filter {
  if (operator !== ':' && operator !== '=' && operator !== '!=') {
    throw new FilterError(`${key} holds text: it takes ":" or "!=", not "${operator}"`, at);
  }
  // shmem is what people call it, tmpfs is the name of the type
  const like = wildcard(key === 'fs' && value === 'shmem' ? 'tmpfs' : value);
  const is = (row: InodeRow) => like(String(row[key as 'fs' | 'comm']));
  return operator === '!=' ? (row) => !is(row) : is;
}

function numberTerm(key: Key, operator: string, wanted: number): Filter {
  const read = (row: InodeRow): number | null => {
    if (key === 'evict') return row.evict_ns;
    if (key === 'grace') return row.grace_ns;
    return row[key as 'ino' | 'pages' | 'owed'];
  };
  const compare: (value: number) => boolean = {
    ':': (v: number) => v === wanted,
    '=': (v: number) => v === wanted,
    '!=': (v: number) => v !== wanted,
    '>': (v: number) => v > wanted,
    '<': (v: number) => v < wanted,
    '>=': (v: number) => v >= wanted,
    '<=': (v: number) => v <= wanted,
  }[operator]!;
  return (row) => {
    const value = read(row);
    return value !== null && compare(value);
  };
}

function parseDuration(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ns|us|µs|ms|s)$/.exec(text);
  return match === null ? null : Number(match[1]) * UNIT_NS[match[2]!]!;
}

/** `*` stands for anything; linear in the text, whatever the pattern. */
export function wildcard(pattern: string): (text: string) => boolean {
  const parts = pattern.split('*');
  if (parts.length === 1) return (text) => text === pattern;
  const first = parts[0]!;
  const last = parts.at(-1)!;
  return (text) => {
    if (!text.startsWith(first)) return false;
    let at = first.length;
    for (const part of parts.slice(1, -1)) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return text.length - at >= last.length && text.endsWith(last);
  };
}
