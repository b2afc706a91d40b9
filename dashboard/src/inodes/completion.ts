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
  readonly comm: readonly string[];
}

export function complete(text: string, caret: number, known: KnownValues): Completion {
  const from = text.lastIndexOf(' ', caret - 1) + 1;
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

const MOST = 12;

const KEYS: readonly Option[] = [
  { insert: 'fs:', help: 'file system type: fs:hugetlbfs' },
  { insert: 'state:', help: 'open, evicting, grace, ended, lost' },
  { insert: 'pages>', help: 'hugepages held at evict: pages>0' },
  { insert: 'owed>', help: 'hugepages not back yet: owed>0' },
  { insert: 'comm:', help: 'task name, * for any: comm:qemu*' },
  { insert: 'ino:', help: 'inode number: ino:123' },
  { insert: 'evict>', help: 'evict took longer: evict>1ms' },
  { insert: 'grace>', help: 'grace period was longer: grace>50ms' },
  { insert: 'doubtful', help: 'events were lost during its life' },
];

const STATES = ['open', 'evicting', 'grace', 'ended', 'lost'];

function valuesOf(key: string, known: KnownValues): Option[] {
  const values =
    key === 'state' ? STATES : key === 'fs' ? known.fs : key === 'comm' ? known.comm : [];
  // A name with a blank cannot be one word of the language.
  return values
    .filter((value) => /^\S+$/.test(value))
    .map((value) => ({ insert: `${key}:${value}`, help: '' }));
}
