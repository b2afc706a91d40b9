/**
 * Gives a part of lastref inputs that nobody would send it in good faith, and checks what
 * comes out. ./scripts/fuzz says how it is started, docs/fuzzing.md what was found.
 *
 * Exit code 0: every property held for every input. 1: one did not; the input is in
 * test/fuzz/corpus/TARGET/ then. 2: bad usage.
 */
import { createHash, randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Random } from '../support/random.ts';
import { Failed } from './target.ts';
import { isTarget, makeTarget, TARGETS, type TargetName } from './targets.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const CORPUS = new URL('corpus/', import.meta.url).pathname;
const REPORT_MS = 10_000;
/** After this the heap is measured for the first time: code is compiled, caches are full, ms. */
const WARM_UP_MS = 2000;

interface Options {
  readonly target: TargetName;
  readonly inputs: number;
  readonly seconds: number;
  readonly seed: number;
  readonly json: boolean;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string' },
    replay: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const [name = ''] = positionals;
if (!isTarget(name) || positionals.length !== 1) usage(`a target is one of ${TARGETS.join(', ')}`);
process.exitCode = values.replay === undefined ? await fuzz(options(name)) : await replay(name);

function options(target: TargetName): Options {
  return {
    target,
    // ten seconds, where nothing is said
    inputs: number('inputs', Number.POSITIVE_INFINITY),
    seconds: number('seconds', values.inputs === undefined ? 10 : Number.POSITIVE_INFINITY),
    seed: number('seed', randomInt(2 ** 32)),
    json: values.json,
  };
}

function number(option: 'inputs' | 'seconds' | 'seed', otherwise: number): number {
  const text = values[option];
  if (text === undefined) return otherwise;
  if (!/^[\d_]{1,15}$/.test(text)) usage(`--${option}: expected a number, got ${text}`);
  return Number(text.replaceAll('_', ''));
}

function usage(what: string): never {
  process.stderr.write(`fuzz: ${what}\n`);
  process.exit(2);
}

async function fuzz({ target: name, inputs, seconds, seed, json }: Options): Promise<number> {
  const target = await makeTarget(name);
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  let done = 0;
  let told = began;
  let before: Memory | null = null;
  try {
    for (let batch = 0; done < inputs && elapsed() < seconds; batch++) {
      done += await target.batch(new Random(seed, batch));
      const now = performance.now();
      if (before === null && now - began > WARM_UP_MS) before = memory();
      if (now - told > REPORT_MS && !json) {
        told = now;
        console.log(`${elapsed().toFixed(0)} s: ${done.toLocaleString('en')} inputs`);
      }
    }
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    return failed(name, error, seed);
  } finally {
    target.close();
  }
  const after = memory();
  const { heap_mb, rss_mb } = before ?? after;
  const result = {
    target: name,
    inputs: done,
    seconds: Math.round(elapsed() * 10) / 10,
    cpu_seconds: Math.round((process.cpuUsage().user + process.cpuUsage().system) / 1e5) / 10,
    seed,
    heap_mb: [heap_mb, after.heap_mb],
    rss_mb: [rss_mb, after.rss_mb],
  };
  if (json) console.log(JSON.stringify(result));
  else {
    console.log(
      `${name}: ${done.toLocaleString('en')} inputs in ${result.seconds} s (${result.cpu_seconds} s of a CPU), seed ${seed}; ` +
        `heap ${heap_mb} MB before, ${after.heap_mb} MB after; nothing failed`,
    );
  }
  if (after.heap_mb - heap_mb <= target.growthMb) return 0;
  process.stderr.write(`fuzz ${name}: the heap grew by ${after.heap_mb - heap_mb} MB\n`);
  return 1;
}

interface Memory {
  readonly heap_mb: number;
  readonly rss_mb: number;
}

/** What is reachable, memory outside of the heap with it. */
function memory(): Memory {
  // what buffers leave behind is given back by the next collection
  for (let i = 0; i < 3; i++) collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap_mb: Math.round((heapUsed + external) / 1e5) / 10, rss_mb: Math.round(rss / 1e6) };
}

/** Keeps the input, and says how to see it fail again. */
function failed(name: TargetName, { message, input, cause }: Failed, seed: number): number {
  const folder = join(CORPUS, name);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, createHash('sha256').update(input).digest('hex').slice(0, 12));
  writeFileSync(file, input);
  const at = (cause as Error | undefined)?.stack?.split('\n').slice(1, 6).join('\n') ?? '';
  process.stderr.write(
    `fuzz ${name}: ${message}\n${at}\nseed ${seed}; the input is kept. Again:\n` +
      `  ./scripts/fuzz ${name} --replay ${relative(process.cwd(), file)}\n`,
  );
  return 1;
}

async function replay(name: TargetName): Promise<number> {
  const target = await makeTarget(name);
  try {
    await target.replay(readFileSync(values.replay!));
    console.log(`${name}: ${values.replay}: every property holds`);
    return 0;
  } catch (error) {
    process.stderr.write(`fuzz ${name}: ${(error as Error).stack}\n`);
    return 1;
  } finally {
    target.close();
  }
}
