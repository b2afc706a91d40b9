/**
 * Data flows one way, and the tree shows it: a folder imports only from those named
 * for it here. The list is in the order of docs/architecture.md; a new arrow is a
 * decision, not an accident. Also: one file may not grow beyond what one can read.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** Folder to the folders it may import from (itself always). */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'server/protocol': [],
  'server/model': ['server/protocol'],
  'server/host': ['server/protocol'],
  'server/tracer': ['server/protocol', 'server/model', 'server/host'],
  'server/recording': ['server/protocol', 'server/model', 'server/tracer'],
  'server/notify': ['server/protocol', 'server/model', 'server/tracer'],
  'server/nats': [
    'server/protocol',
    'server/model',
    'server/tracer',
    'server/recording',
    'server/notify',
  ],
  'server/web': [
    'server/protocol',
    'server/model',
    'server/tracer',
    'server/recording',
    'server/notify',
  ],
  'server/cli': [
    'server/protocol',
    'server/model',
    'server/host',
    'server/tracer',
    'server/recording',
    'server/notify',
    'server/nats',
    'server/web',
  ],
  dashboard: ['server/protocol'],
};

const MAX_LINES = 450;
/** Over it for now, and no further: a table, and a class whose tracepoint part wants a file. */
const LARGER: Record<string, number> = {
  'server/protocol/grammar.ts': 530,
  'server/tracer/pipeline.ts': 530,
};
const root = resolve(import.meta.dirname, '..');
const problems: string[] = [];

for (const [folder, allowed] of Object.entries(ALLOWED)) {
  for (const file of sources(join(root, folder))) {
    const text = readFileSync(file, 'utf8');
    const lines = text.split('\n').length;
    const most = LARGER[relative(root, file)] ?? MAX_LINES;
    if (lines > most) problems.push(`${relative(root, file)}: ${lines} lines; split it`);
    for (const match of text.matchAll(/(?:from|import\()\s*'(\.[^']*)'/g)) {
      const target = relative(root, resolve(dirname(file), match[1]!));
      if (target === 'package.json') continue;
      const fine = [folder, ...allowed].some((f) => target.startsWith(`${f}/`));
      if (!fine) problems.push(`${relative(root, file)}: imports ${target}`);
    }
  }
}

if (problems.length > 0) {
  process.stderr.write(`${problems.join('\n')}\n`);
  process.exit(1);
}

function* sources(folder: string): Iterable<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === 'dist') continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (/\.tsx?$/.test(entry.name)) yield path;
  }
}
