/** The options of a benchmark, from its command line. */
import { parseArgs } from 'node:util';

type Value = number | string | boolean | readonly string[];

/** What a default stands for: an option is of the kind that its default is. */
type Read<T> = {
  -readonly [K in keyof T]: T[K] extends number
    ? number
    : T[K] extends boolean
      ? boolean
      : T[K] extends readonly string[]
        ? readonly string[]
        : string;
};

/** By option: the least that a number may be, or the words that may be given. */
type Limits<T> = { readonly [K in keyof T]?: number | readonly string[] };

/**
 * What was given, or else the default. A list is given word by word. `--help`, and whatever is not
 * understood, ends the process with what there is to give.
 */
export function readOptions<const T extends Readonly<Record<string, Value>>>(
  defaults: T,
  limits: Limits<T> = {},
): Read<T> {
  const usage = usageOf(defaults, limits);
  const end = (code: number, text: string): never => {
    process[code === 0 ? 'stdout' : 'stderr'].write(`${text}\n`);
    process.exit(code);
  };
  const given = parsed(defaults, (why) => end(2, `${why}\n${usage}`));
  if (given.help === true) end(0, usage);
  const read = Object.entries(defaults).map(([name, usual]) => {
    const value = given[name] ?? usual;
    const why = whyNot(value, usual, limits[name]);
    if (why !== null) end(2, `--${name} ${value}: ${why}\n${usage}`);
    return [name, typeof usual === 'number' ? Number(value) : value];
  });
  return Object.fromEntries(read) as Read<T>;
}

function parsed(
  defaults: Readonly<Record<string, Value>>,
  fail: (why: string) => never,
): Record<string, Value | undefined> {
  const options = Object.fromEntries(
    Object.entries(defaults).map(([name, usual]) => {
      const type = typeof usual === 'boolean' ? ('boolean' as const) : ('string' as const);
      return [name, { type, multiple: Array.isArray(usual) }];
    }),
  );
  try {
    return parseArgs({ options: { ...options, help: { type: 'boolean' } } }).values;
  } catch (error) {
    return fail((error as Error).message.split('. ')[0]!);
  }
}

/** Why it cannot be this; null: it can. */
function whyNot(value: Value, usual: Value, limit: number | readonly string[] = 0): string | null {
  if (typeof usual === 'number') {
    const least = typeof limit === 'number' ? limit : 0;
    return value !== '' && Number.isFinite(Number(value)) && Number(value) >= least
      ? null
      : `expected a number, at least ${least}`;
  }
  if (typeof limit === 'number' || typeof value === 'boolean') return null;
  const unknown = [value].flat().find((word) => !limit.includes(String(word)));
  return unknown === undefined ? null : `expected ${limit.filter(Boolean).join(', ')}`;
}

function usageOf<T extends Readonly<Record<string, Value>>>(
  defaults: T,
  limits: Limits<T>,
): string {
  const rows = Object.entries(defaults).map(([name, usual]) => {
    if (typeof usual === 'boolean') return `  --${name}`;
    const limit = limits[name];
    const words = Array.isArray(limit)
      ? limit.filter(Boolean).join('|')
      : typeof usual === 'number'
        ? 'N'
        : 'TEXT';
    const often = Array.isArray(usual) ? ', may be given again' : '';
    return `  --${name} ${words}  (${[usual].flat().join(', ') || 'none'}${often})`;
  });
  return ['options, and what they are where nothing is said:', ...rows].join('\n');
}
