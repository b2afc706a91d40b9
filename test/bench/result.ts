/** How a benchmark says what it found: lines of JSON, or text for people. */
import { cpus, release } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface Result {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The same unit, in the same run; null where it was not asked for. */
  readonly baseline: number | null;
  readonly baseline_name: string | null;
  /** What else there is to know. */
  readonly note: string;
}

export function printHeader(json: boolean): void {
  if (json) return;
  const [cpu] = cpus();
  console.log(
    `${cpu?.model ?? 'unknown CPU'}, ${cpus().length} CPUs; Linux ${release()}; Node ${process.version}`,
  );
}

export function printResult(json: boolean, result: Result): void {
  const { name, value, unit, baseline, baseline_name, note } = result;
  const ratio =
    baseline === null || baseline === 0 ? null : Number((value / baseline).toPrecision(3));
  if (json) {
    console.log(JSON.stringify({ name, value, unit, baseline, baseline_name, ratio, note }));
    return;
  }
  const number = (n: number) => n.toLocaleString('en').padStart(12);
  const beside =
    baseline === null
      ? ''
      : `   ${ratio ?? 'ever so many'} x ${baseline_name} (${number(baseline).trim()} ${unit})`;
  console.log(`${name.padEnd(16)}${number(value)} ${unit}${beside}`);
  console.log(`${' '.repeat(17)}${note}`);
}

/** What is reachable on the heap, MB. */
export function heapMb(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return Math.round(process.memoryUsage().heapUsed / 1e6);
}
