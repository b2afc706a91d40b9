import { FILTER_FLAGS, FILTER_KEYS } from '../../../server/protocol/filter.ts';

/** What can be typed next in the filter, for the word at the caret. */
export interface Completion {
  /** The characters it replaces. */
  readonly from: number;
  readonly to: number;
  readonly options: readonly Option[];
}

export interface Option {
  readonly insert: string;
  readonly help: string;
}

/** Values seen on the page, offered for keys that take names. */
export interface KnownValues {
  readonly fs: readonly string[];
  readonly host: readonly string[];
  readonly comm: readonly string[];
}

export function complete(text: string, caret: number, known: KnownValues): Completion {
  let from = text.lastIndexOf(' ', caret - 1) + 1;
  // A minus negates the term behind it.
  if (text[from] === '-') from++;
  const end = text.indexOf(' ', caret);
  const to = end === -1 ? text.length : end;
  const word = text.slice(from, caret);
  const colon = word.indexOf(':');
  const all = colon === -1 ? KEYS : valuesOf(word.slice(0, colon), known);
  const options = all
    .filter((option) => option.insert.startsWith(word) && option.insert !== word)
    .slice(0, MOST);
  return { from, to, options };
}

/** The text with an option put in, and where the caret goes. */
export function applyOption(
  text: string,
  completion: Completion,
  option: Option,
): { text: string; caret: number } {
  const before = text.slice(0, completion.from) + option.insert;
  return { text: before + text.slice(completion.to), caret: before.length };
}

const MOST = 18;
/** Numbers that name something are looked for, not compared. */
const IDENTITY = new Set(['ino', 'pid']);

/** How a key is most often used, and what it means; the language itself says which keys there are. */
const HELP: Readonly<Record<string, string>> = {
  fs: 'file system type: fs:hugetlbfs',
  state: 'open, evicting, grace, ended, lost',
  comm: 'task name, * for any: comm:qemu*',
  host: 'test host: host:vm',
  dev: 's_dev of the superblock: dev:0:17',
  address: 'address of the inode',
  ino: 'inode number: ino:123',
  pid: 'who ran evict: pid:1309',
  nlink: 'names left: nlink>0',
  size: 'i_size in bytes: size>1048576',
  pages: 'hugepages held at evict: pages>0',
  freed: 'hugepages given back: freed>0',
  owed: 'hugepages not back yet: owed>0',
  evict: 'evict took longer: evict>1ms',
  grace: 'the grace period took longer: grace>50ms',
  doubtful: 'events were lost during its life',
  leak: 'it owes hugepages',
};

const KEYS: readonly Option[] = [
  ...Object.entries(FILTER_KEYS).map(([key, type]) => ({
    insert: `${key}${type === 'text' || IDENTITY.has(key) ? ':' : '>'}`,
    help: HELP[key] ?? '',
  })),
  ...FILTER_FLAGS.map((flag) => ({ insert: flag as string, help: HELP[flag] ?? '' })),
];

const STATES: readonly string[] = ['open', 'evicting', 'grace', 'ended', 'lost'];

function valuesOf(key: string, known: KnownValues): Option[] {
  const values = key === 'state' ? STATES : (known[key as keyof KnownValues] ?? []);
  // A name with a blank cannot be one word of the language.
  return values
    .filter((value) => /^\S+$/.test(value))
    .map((value) => ({ insert: `${key}:${value}`, help: '' }));
}
