/** The config file: where it is, and what is wrong with it, with the line. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Document, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import { Config, DEFAULT_CONFIG } from '../protocol/config.ts';
import { plain } from '../protocol/plain.ts';
import { CliError, EXIT } from './exit.ts';

/** Errors told at once: what fits on a screen. */
const MAX_ERRORS = 5;
/** Characters of one of them. */
const MAX_ERROR = 500;
/** A reader of YAML takes long for a large file that is nested all through. */
const MAX_BYTES = 64 * 1024;

/** `~/.config/lastref/config.yaml`, or under $XDG_CONFIG_HOME. */
export function defaultConfigFile(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_CONFIG_HOME || join(homedir(), '.config');
  return join(base, 'lastref', 'config.yaml');
}

/** The file given; else the default one, where it exists; else the defaults. Throws CliError. */
export function loadConfig(given?: string, env?: NodeJS.ProcessEnv): Config {
  const file = given ?? defaultConfigFile(env);
  if (given === undefined && !existsSync(file)) return DEFAULT_CONFIG;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliError(
      EXIT.usage,
      `--config ${file}: ${reason(error as NodeJS.ErrnoException)}\nBegin with the example: docs/config.example.yaml`,
    );
  }
  return parseConfig(text, file);
}

/** Throws CliError with the file, the line, what was expected and what to do. */
export function parseConfig(text: string, file: string): Config {
  if (text.length > MAX_BYTES) {
    throw refuse(file, [{ line: null, where: '', what: `is larger than ${MAX_BYTES >> 10} KB` }]);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    logLevel: 'error',
    // each with a piece of the file: slow where there are thousands
    prettyErrors: false,
  });
  if (document.errors.length > 0) {
    throw refuse(
      file,
      document.errors.map((error) => ({
        line: lines.linePos(error.pos[0]).line,
        where: '',
        what: sayNested(error.message),
      })),
    );
  }
  const parsed = Config.safeParse(readValue(document, lines, file));
  if (parsed.success) return parsed.data;
  throw refuse(
    file,
    parsed.error.issues.map(({ path, message, code, ...issue }) => ({
      line: lineOf(
        document,
        lines,
        code === 'unrecognized_keys' ? [...path, (issue as { keys: string[] }).keys[0]!] : path,
      ),
      where: pathText(path),
      what: `${message.replace(/^Invalid (input|option): /, '')}${got(document, path)}`,
    })),
  );
}

/** A YAML alias may not become gigabytes, nor a key that is a list of lists take minutes. */
function readValue(document: Document, lines: LineCounter, file: string): unknown {
  try {
    visit(document, {
      Pair(_, { key }) {
        if (key === null || isScalar(key)) return;
        const at = (key as { range?: readonly number[] }).range?.[0];
        const line = at === undefined ? null : lines.linePos(at).line;
        throw refuse(file, [{ line, where: '', what: 'a key is a word; this one is not' }]);
      },
    });
    return document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw refuse(file, [{ line: null, where: '', what: sayNested((error as Error).message) }]);
  }
}

/** What the reader of YAML says when it runs out of stack is of no use to anybody. */
function sayNested(what: string): string {
  return /call stack|stack overflow/i.test(what) ? 'nested too deeply' : what;
}

interface Problem {
  readonly line: number | null;
  readonly where: string;
  readonly what: string;
}

function refuse(file: string, problems: readonly Problem[]): CliError {
  const sorted = [...problems].sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  const shown = sorted.slice(0, MAX_ERRORS).map(({ line, where, what }) => {
    const at = line === null ? file : `${file}:${line}`;
    return short(`${at}: ${where === '' ? '' : `${where}: `}${what}`);
  });
  const more = problems.length - shown.length;
  if (more > 0) shown.push(`and ${more} more`);
  shown.push(
    'Every key is described in docs/alerts.md; docs/config.example.yaml is one that works.',
  );
  return new CliError(EXIT.usage, shown.join('\n'));
}

/** Some lines of a terminal at most, and nothing on it that cannot be seen. */
function short(text: string): string {
  const shown = plain(text);
  return shown.length <= MAX_ERROR ? shown : `${shown.slice(0, MAX_ERROR)}...`;
}

/** The line of the key or of the nearest thing around it; null for an empty file. */
function lineOf(
  document: Document,
  lines: LineCounter,
  path: readonly PropertyKey[],
): number | null {
  for (let length = path.length; length > 0; length--) {
    const key = path.slice(0, length);
    const pair = pairOf(document, key);
    if (pair !== null) return lines.linePos(pair).line;
  }
  return null;
}

/** Offset of a key in a mapping, or of an item in a list. */
function pairOf(document: Document, path: readonly PropertyKey[]): number | null {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  const last = path.at(-1);
  const items = (parent as { items?: readonly unknown[] } | null)?.items;
  if (items === undefined) return null;
  for (const [index, item] of items.entries()) {
    const { key } = item as { key?: { value?: unknown; range?: number[] } };
    if (key !== undefined && String(key.value) === String(last)) return key.range?.[0] ?? null;
    if (key === undefined && index === last) {
      return (item as { range?: number[] }).range?.[0] ?? null;
    }
  }
  return null;
}

/** `; got "2 sec"`, where that is one word and not something that was left out. */
function got(document: Document, path: readonly PropertyKey[]): string {
  const value: unknown = path.length === 0 ? undefined : document.getIn(path);
  if (typeof value !== 'string' && typeof value !== 'number') return '';
  if (path.includes('headers')) return ''; // a secret, perhaps
  return `; got ${JSON.stringify(value).slice(0, 80)}`;
}

/** `rules[1].for` */
function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '');
}

function reason(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return 'there is no such file';
  if (error.code === 'EACCES') return 'this user may not read it';
  if (error.code === 'EISDIR') return 'it is a directory';
  return error.message;
}
