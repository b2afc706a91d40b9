/** `lastref check`: traces a workload, waits for what it leaves behind, and judges it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExitStatus } from '../host/host.ts';
import { RULES } from '../model/contract/rules.ts';
import { nowMs } from '../protocol/clock.ts';
import { type Config, DEFAULT_CONFIG, LEAK_AFTER, type LeakAfter } from '../protocol/config.ts';
import type { TracerStatus } from '../protocol/hosts.ts';
import { LEAK_KINDS } from '../protocol/leaks.ts';
import { escapeHidden } from '../protocol/plain.ts';
import type { Report } from '../protocol/report.ts';
import { makeReport } from '../tracer/report.ts';
import { readBaseline, writeBaseline } from './check-baseline.ts';
import { junit, ktapHeader, ktapResults, NestedOutput } from './check-formats.ts';
import { CHECKS, type Judged, judge } from './check-judge.ts';
import { CliError, EXIT } from './exit.ts';
import { evidenceOf } from './report.ts';
import type { TraceFlags } from './trace-options.ts';
import { Tracing } from './tracing.ts';

export type CheckFormat = 'ktap' | 'junit' | 'json';

/** As commander gives them. */
export interface CheckOptions extends TraceFlags {
  readonly host: string;
  readonly push: readonly string[];
  readonly format: CheckFormat;
  readonly allow: readonly string[];
  readonly baseline?: string;
  readonly writeBaseline?: string;
  /** Milliseconds. */
  readonly leakAfter?: number;
  readonly record?: string;
  readonly keep: number;
  readonly bufferPages?: number;
}

/**
 * A workload is over when it is judged: whoever still holds hugepages has forgotten them.
 * Nanoseconds.
 */
const AFTER: LeakAfter = { ...LEAK_AFTER, held: 5e9, 'pool drift': 10e9, surplus: 5e9 };
/** The last lines, and word of the losses, have come by then. */
const SETTLE_MS = 3000;
/** How much longer than the longest threshold it is waited for what might become a leak. */
const LONGER_MS = 10_000;
const LOOK_MS = 100;
/** Ticks come ten times a second: without any for so long, lines are still on their way. */
const SILENT_MS = 2000;
/** For the first look at who held what before the workload. */
const FIRST_LOOK_MS = 15_000;

/** Resolves to the exit code. Throws CliError and HostError. */
export async function check(options: CheckOptions, workload: readonly string[]): Promise<number> {
  if (workload.length === 0) {
    throw new CliError(
      EXIT.usage,
      'nothing to check: which command is the workload?\nGive it after --: lastref check --host vm --push ./test -- ./test',
    );
  }
  const allowed = {
    names: new Set(options.allow.map(allowable)),
    known: options.baseline === undefined ? [] : readBaseline(options.baseline),
  };
  const config: Config = { ...DEFAULT_CONFIG, rules: [], leak_after: leakAfter(options) };
  const tracing = new Tracing(
    { ...options, host: [options.host] },
    {
      file: options.record ?? null,
      workload,
      config,
      flightMinutes: 0,
      pageUrl: () => '',
    },
  );
  const { format } = options;
  const began = performance.now();
  let ended: ExitStatus | null = null;
  let heard = true;
  let starts = new Map<string, number>();
  tracing.start();
  try {
    // each reason has been printed
    if ((await tracing.ready()) !== 'ready') return EXIT.tracing;
    await firstLook(tracing);
    starts = new Map(tracing.session.pipelines().map((p) => [p.info.host, p.model.now]));
    if (format === 'ktap') process.stdout.write(ktapHeader(CHECKS.length));
    ended = await run(tracing, format);
    if (ended !== null) heard = await quiet(tracing, config.leak_after);
  } finally {
    await tracing.stop();
  }
  // Ctrl-C: nothing was proven
  if (ended === null) return EXIT.tracing;
  const why = heard
    ? interrupted(tracing, starts)
    : 'tracing has said nothing since before the end';
  if (why !== null) {
    if (format === 'ktap') process.stdout.write(`Bail out! ${why}\n`);
    else process.stderr.write(`lastref: ${why}\n`);
    return EXIT.tracing;
  }
  const pipelines = tracing.session.pipelines();
  const report = makeReport(pipelines);
  const tests = judge({ report, evidence: evidenceOf(pipelines), ended, began: starts }, allowed);
  process.stdout.write(told(format, tests, report, (performance.now() - began) / 1000));
  if (options.writeBaseline !== undefined) writeBaseline(options.writeBaseline, report);
  return exitCode(tests);
}

/** Why what was seen is not all that happened; null: it is. */
function interrupted(
  { session, recorder }: Tracing,
  began: ReadonlyMap<string, number>,
): string | null {
  const hosts: readonly { status: TracerStatus; restarts?: number }[] = session.hosts();
  if (hosts.some(({ status }) => status === 'failed')) return 'tracing died';
  // counted from when it was ready first; what happens until it is ready again is not seen
  if (hosts.some(({ restarts = 0 }) => restarts > 0)) {
    return 'tracing ended and began anew: what happened in between was not seen';
  }
  for (const { info, model } of session.pipelines()) {
    const from = began.get(info.host) ?? 0;
    const blind = model.gaps.list.find(({ where, to }) => where === 'tracer_down' && to > from);
    if (blind !== undefined) return `not all was seen: ${blind.detail}`;
  }
  return recorder.failed === null ? null : 'the recording ended too early';
}

/** A leak or a broken contract first: it is what was asked, and may be why the workload failed. */
export function exitCode(tests: readonly Judged[]): number {
  const failed = tests.filter(({ outcome }) => outcome === 'fail').map(({ name }) => name);
  if (failed.some((name) => /^(leak|contract) /.test(name))) return EXIT.found;
  if (failed.includes('ledger')) return EXIT.tracing;
  return failed.includes('workload') ? EXIT.workload : EXIT.good;
}

/** `R19`, `pinned`, `pool-drift`. Throws CliError. */
function allowable(text: string): string {
  const name = text.replace('-', ' ');
  const known: readonly string[] = [...RULES.map(({ id }) => id), ...LEAK_KINDS];
  const found = known.find((one) => one.toLowerCase() === name.toLowerCase());
  if (found !== undefined) return found;
  const kinds = LEAK_KINDS.map((kind) => kind.replace(' ', '-'));
  throw new CliError(
    EXIT.usage,
    `--allow ${text}: there is no such rule or kind of leak.\nRules: R1 to R${RULES.length} (docs/contract.md); leaks: ${kinds.join(', ')}`,
  );
}

/** RCU may be lazy for 10 s without anything being wrong: nothing is stuck before its threshold. */
function leakAfter({ leakAfter: ms }: CheckOptions): LeakAfter {
  if (ms === undefined) return AFTER;
  const ns = ms * 1e6;
  return {
    pinned: ns,
    held: ns,
    reservation: ns,
    'pool drift': ns,
    surplus: ns,
    stuck: Math.max(ns, AFTER.stuck),
  };
}

/** What is there before the workload is not its doing: the host has to be looked at first. */
async function firstLook({ session, stopped }: Tracing): Promise<void> {
  const end = performance.now() + FIRST_LOOK_MS;
  const looked = () =>
    session
      .pipelines()
      .every(({ info, model }) => !info.fs.includes('hugetlbfs') || model.leaks.looked);
  while (!looked() && performance.now() < end) {
    if ((await Promise.race([stopped, sleep(LOOK_MS)])) === 'stopped') return;
  }
}

/** Its standard output is a part of the KTAP; for the other formats it goes to standard error. */
async function run(tracing: Tracing, format: CheckFormat): Promise<ExitStatus | null> {
  if (format !== 'ktap') return tracing.work(tracing.stopped, process.stderr);
  const nested = new NestedOutput();
  nested.pipe(process.stdout, { end: false });
  const ended = await tracing.work(tracing.stopped, nested);
  const told = new Promise((resolve) => nested.once('end', resolve));
  nested.end();
  await told;
  return ended;
}

/**
 * Until nothing is on its way to the pool or to be a leak, and its lines have come; false: time
 * was up, and they had not.
 */
async function quiet({ session, stopped }: Tracing, after: LeakAfter): Promise<boolean> {
  const begin = performance.now();
  const longest = Math.max(...Object.values(after)) / 1e6 + LONGER_MS;
  const undecided = () =>
    session.pipelines().some(({ model }) => {
      return model.leaks.pending() || model.contract.verdicts.pending > 0;
    });
  const silent = () => {
    return session.hosts().some(({ status, heardAt }) => {
      return status !== 'ready' || nowMs() - (heardAt ?? 0) > SILENT_MS;
    });
  };
  let since = begin;
  for (;;) {
    const stop = await Promise.race([stopped, sleep(LOOK_MS)]);
    const now = performance.now();
    if (stop === 'stopped') return true;
    if (now - begin > longest) return !silent();
    if (undecided() || silent()) since = now;
    else if (now - since >= SETTLE_MS) return true;
  }
}

/** What is printed when all is over. */
function told(format: CheckFormat, tests: readonly Judged[], report: Report, seconds: number) {
  switch (format) {
    case 'ktap':
      return ktapResults(tests);
    case 'junit':
      return junit(tests, report.epochs[0]?.host ?? '', seconds);
    case 'json':
      return `${escapeHidden(JSON.stringify({ ...report, check: { exit: exitCode(tests), tests } }))}\n`;
  }
}
