/** `lastref record`: trace into a file, without a page. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { makeReport } from '../tracer/report.ts';
import { EXIT } from './exit.ts';
import { Tracing, type TracingFlags } from './tracing.ts';
import { exitOf } from './workload.ts';

export interface RecordOptions extends TracingFlags {
  readonly out: string;
  /** Milliseconds from when every host is ready. */
  readonly duration?: number;
}

/** After the workload: what it left takes a moment to be freed, or to be a leak. */
const SETTLE_MS = 3000;
const WATCH_MS = 200;

/** Until SIGINT, the end of the time or of the workload; resolves to the exit code. */
export async function record(options: RecordOptions, workload: readonly string[]): Promise<number> {
  const tracing = new Tracing(options, {
    file: options.out,
    workload,
    flightMinutes: 0, // everything is kept anyway
    pageUrl: () => pathToFileURL(resolve(options.out)).href,
  });
  const { recorder, session, stopped } = tracing;
  const broken = whenBroken(tracing);
  tracing.start();
  let code: number = EXIT.good;
  try {
    const outcome = await tracing.ready();
    // each reason has been printed
    if (outcome === 'failed' || outcome === 'some failed') return EXIT.tracing;
    const timeUp = options.duration === undefined ? never() : sleep(options.duration);
    const end = Promise.race([stopped, timeUp, broken.promise]);
    if (outcome === 'ready' && workload.length > 0) {
      code = exitOf(await tracing.work(end));
      await Promise.race([end, sleep(SETTLE_MS)]);
    } else {
      await end;
    }
  } finally {
    broken.cancel();
    await tracing.stop();
    process.stderr.write(summary(tracing));
  }
  const died = session.hosts().some(({ status }) => status === 'failed');
  return recorder.failed !== null || died ? EXIT.tracing : code;
}

function summary({ recorder, session }: Tracing): string {
  const report = makeReport(session.pipelines());
  const { events, losses, inodes, leaks, contract } = report;
  const lost = (losses.not_run ?? 0) + losses.map_full + losses.ring_buffer + losses.rejected;
  const ledger = { true: 'balances', false: 'DOES NOT BALANCE', null: 'is not known to balance' };
  const firing = leaks.filter(({ state }) => state === 'firing');
  const certain = firing.filter(({ verdict }) => verdict === 'certain').length;
  const broken = contract.reduce((sum, rule) => sum + rule.broken, 0);
  const { notRecorded, files } = recorder;
  const lines = [
    `${events.decoded} events, ${lost} lost; the ledger ${ledger[`${losses.balanced}`]}`,
    `${inodes.ended} inodes ended; ${firing.length} leaks (${certain} certain), contract broken ${broken} times`,
    files.length === 0
      ? 'nothing was traced, and nothing recorded'
      : `recorded in ${files.length <= 3 ? files.join(', ') : `${files[0]} to ${files.at(-1)} (${files.length} files)`}`,
  ];
  if (recorder.failed !== null) {
    lines.push(`NOT RECORDED: ${notRecorded.events} lines after ${recorder.failed}`);
  }
  return lines.map((line) => `lastref: ${line}\n`).join('');
}

/** Nothing is left to do when the file cannot be written, or no host can be traced. */
function whenBroken({ recorder, session }: Tracing): {
  promise: Promise<void>;
  cancel: () => void;
} {
  let timer: NodeJS.Timeout | undefined;
  const promise = new Promise<void>((done) => {
    timer = setInterval(() => {
      const dead = session.hosts().every(({ status }) => status === 'failed');
      if (recorder.failed !== null || dead) done();
    }, WATCH_MS);
  });
  return { promise, cancel: () => clearInterval(timer) };
}

function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms).unref());
}

function never(): Promise<void> {
  return new Promise(() => {});
}
