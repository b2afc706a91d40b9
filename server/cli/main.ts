#!/usr/bin/env node
/** The command line: what each command takes. What it does is in a file of its own. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { VERSION } from '../protocol/version.ts';
import { CSV_TABLES, EXPORT_FORMATS } from '../recording/export/formats.ts';
import { EXIT, explain } from './exit.ts';
import { DEFAULT_SPOOL, withNatsOptions } from './nats-options.ts';
import { bytes, duration, withRecordingOptions } from './recording-options.ts';
import type { ReplayStart } from './replay.ts';
import type { Shell } from './shell/completion.ts';
import { withTraceOptions } from './trace-options.ts';
import { VM_ACTIONS, type VmAction } from './vm.ts';
import { DEFAULT_PORT, withWebOptions } from './web-options.ts';

/** Ended inodes kept in memory with all their evidence. */
const DEFAULT_KEEP = 20_000;
/** An ended inode takes about 4 KB. */
const KEEP_IN_ALL = 100_000;
const KEEP_TEXT = 'ended inodes kept in memory, of each host (default: 20000; 100000 in all)';

/** Of each host of a fleet, however many there will be. */
const KEEP_OF_FLEET = 2000;

/** Of each host, by default. */
function keepFor(hosts: readonly string[]): number {
  return Math.max(100, Math.min(DEFAULT_KEEP, Math.floor(KEEP_IN_ALL / hosts.length)));
}

const program = new Command('lastref')
  .description('See, live and after the fact, how Linux tears down inodes and gives hugepages back')
  .version(VERSION)
  .exitOverride()
  .configureHelp({ showGlobalOptions: false });

const hostText = 'local, vm, vm:KERNEL, or what ssh accepts';

withNatsOptions(withWebOptions(withRecordingOptions(withTraceOptions(program.command('live')))))
  .description('trace a host and watch it in the browser; a workload runs once the tracer is ready')
  .option('--host <host>', `${hostText} (repeatable)`, collect, [])
  .option('--no-open', 'do not open a browser')
  .option('--nats <url>', 'show hosts that agents publish there (docs/fleet-nats.md)')
  .option('--name <name>', 'with --nats: what other servers call this one')
  .option('--record <file>', 'keep everything in this file')
  .option(
    '--flight-minutes <minutes>',
    'kept in memory, and in a file when an alert fires; 0: none (10)',
    integer,
  )
  .option('--push <file>', 'copy a file to where the workload runs (repeatable)', collect, [])
  .option('--keep <inodes>', KEEP_TEXT, integer)
  .option('--config <file>', 'alert rules, thresholds, silences, who is told (docs/alerts.md)')
  .option('--state <dir>', 'where notifications wait for their sinks')
  .option('--buffer-pages <pages>', "4 KiB pages of bpftrace's buffer (a power of two)", integer)
  .argument('[workload...]', 'command to run on the first host, after --')
  .action(async (workload: string[], options) => {
    const { live } = await import('./live.ts');
    const traced = options.host.length === 0 && options.nats === undefined;
    const host = traced ? ['local'] : options.host;
    const { keep = options.nats === undefined ? keepFor(host) : KEEP_OF_FLEET } = options;
    return finish(await live({ ...options, host, keep }, workload));
  });

withRecordingOptions(withTraceOptions(program.command('record')))
  .description('trace a host into a file; ends with the workload, the time, or Ctrl-C')
  .option('--host <host>', `${hostText} (repeatable)`, collect, [])
  .requiredOption('-o, --out <file>', 'the recording; never overwritten')
  .option('--duration <time>', 'how long, from when the tracer is ready: 30s, 5m', duration)
  .option('--push <file>', 'copy a file to where the workload runs (repeatable)', collect, [])
  .option('--keep <inodes>', KEEP_TEXT, integer)
  .option('--config <file>', 'alert rules, thresholds, silences, who is told (docs/alerts.md)')
  .option('--state <dir>', 'where notifications wait for their sinks')
  .option('--buffer-pages <pages>', "4 KiB pages of bpftrace's buffer (a power of two)", integer)
  .argument('[workload...]', 'command to run on the first host, after --')
  .action(async (workload: string[], options) => {
    const { record } = await import('./record.ts');
    const host = options.host.length === 0 ? ['local'] : options.host;
    const { keep = keepFor(host) } = options;
    return finish(await record({ ...options, host, keep }, workload));
  });

withNatsOptions(withTraceOptions(program.command('agent')))
  .description('trace a host for servers elsewhere: what it says goes to NATS (docs/fleet-nats.md)')
  .option('--host <host>', `${hostText} (repeatable)`, collect, [])
  .requiredOption('--nats <url>', 'brokers, several by comma: nats://HOST:4222, tls://HOST:4222')
  .option('--spool <dir>', 'where messages wait that the broker has not confirmed yet')
  .option('--spool-size <bytes>', 'bytes that may wait there: 500M, 4G', bytes, DEFAULT_SPOOL)
  .option('--record <file>', 'keep everything in this file, too')
  .option('--keep <inodes>', 'ended inodes kept in memory', integer, DEFAULT_KEEP)
  .option('--config <file>', 'alert rules and thresholds (docs/alerts.md)')
  .option('--buffer-pages <pages>', "4 KiB pages of bpftrace's buffer (a power of two)", integer)
  .action(async (options) => {
    const { agent } = await import('./agent.ts');
    const host = options.host.length === 0 ? ['local'] : options.host;
    return finish(await agent({ ...options, host }));
  });

program
  .command('report')
  .description('the numbers: of a running server of this user, or of a recording')
  .argument('[file]', 'a recording')
  .option('--json', 'one JSON object', false)
  .option('--port <port>', 'port of the running server', integer, DEFAULT_PORT)
  .option('--keep <inodes>', 'ended inodes kept in memory', integer, DEFAULT_KEEP)
  .action(async (file: string | undefined, options) => {
    const { report } = await import('./report.ts');
    return finish(await report(file, options));
  });

withWebOptions(program.command('replay'))
  .description('the page over a recording')
  .argument('<file>', 'a recording')
  .option('--speed <factor>', 'times the recorded pace, or max', speed, 1)
  .option(
    '--at <time>',
    'stay there: seconds after the beginning, or a time as 2026-11-27T03:14:05Z',
    startOf,
  )
  .option('--keep <inodes>', 'ended inodes kept in memory', integer, DEFAULT_KEEP)
  .option('--no-open', 'do not open a browser')
  .option('--why <text>', 'shown in the banner: why this is a recording')
  .action(async (file: string, options) => {
    const { replay } = await import('./replay.ts');
    return finish(await replay(file, options));
  });

program
  .command('export')
  .description('a recording as a Perfetto or Chrome trace, NDJSON or CSV')
  .argument('<file>', 'a recording')
  .requiredOption('-o, --output <out>', `a new file; - is standard output`)
  .addOption(
    new Option('--format <format>', 'where the ending of OUT does not say it').choices(
      EXPORT_FORMATS,
    ),
  )
  .addOption(
    new Option('--table <table>', 'for csv: what of it (default: inodes)').choices(
      Object.keys(CSV_TABLES),
    ),
  )
  .action(async (file: string, options) => {
    const { exportFile } = await import('./export.ts');
    return finish(exportFile(file, options));
  });

withWebOptions(program.command('compare'))
  .description('what changed between two recordings: did my patch change teardown?')
  .argument('<before>', 'a recording: run A')
  .argument('<after>', 'a recording: run B')
  .option('--json', 'one JSON object', false)
  .option('--fail-on-change', 'exit code 1 when anything differs', false)
  .option('--at-least <percent>', 'smaller changes of a duration do not count', percent, 10)
  .option('--page', 'show it in the browser', false)
  .action(async (before: string, after: string, options) => {
    const { compare } = await import('./compare.ts');
    return finish(await compare(before, after, options));
  });

withTraceOptions(program.command('check'))
  .description('trace a workload and judge it: exit code 1 on a leak or a broken contract')
  .option('--host <host>', hostText, 'local')
  .option('--push <file>', 'copy a file to where the workload runs (repeatable)', collect, [])
  .addOption(
    new Option('--format <format>', 'ktap goes on while it runs; the others come at its end')
      .choices(['ktap', 'junit', 'json'])
      .default('ktap'),
  )
  .option(
    '--allow <rule>',
    'a rule (R19) or kind of leak (pinned) that may be broken (repeatable)',
    collect,
    [],
  )
  .option('--baseline <file>', 'findings that are known and do not fail')
  .option('--write-baseline <file>', 'write the findings of this run there')
  .option('--leak-after <time>', 'after how long what is not back is a leak: 2s', duration)
  .option('--record <file>', 'keep everything in this file')
  .option('--keep <inodes>', 'ended inodes kept in memory', integer, DEFAULT_KEEP)
  .option('--buffer-pages <pages>', "4 KiB pages of bpftrace's buffer (a power of two)", integer)
  .argument('[workload...]', 'command to run on the host, after --')
  .action(async (workload: string[], options) => {
    const { check } = await import('./check.ts');
    return finish(await check(options, workload));
  });

withTraceOptions(program.command('doctor'))
  .description('which stages can be seen on a host, how, and why not')
  .option('--host <host>', hostText, 'local')
  .option('--json', 'one JSON object', false)
  .action(async (options) => {
    const { doctor } = await import('./doctor.ts');
    return finish(await doctor(options));
  });

withTraceOptions(program.command('bpf'))
  .description('print the bpftrace program that would be attached on a host')
  .option('--host <host>', hostText, 'local')
  .option('--track <track>', '0: what runs in tasks; 1: what runs from RCU', integer, 0)
  .action(async (options) => {
    const { bpf } = await import('./bpf.ts');
    return finish(await bpf(options));
  });

program
  .command('vm')
  .description('the bundled QEMU guests: a real kernel to trace')
  .addArgument(new Argument('<action>').choices(VM_ACTIONS))
  .argument('[command...]', 'for ssh: what to run there, after --')
  .option('--kernel <kernel>', '6.1, 6.12, 6.18 or 7', '6.12')
  .option('--json', 'for up and status: JSON', false)
  .action(async (action: VmAction, command: string[], options) => {
    const { vm } = await import('./vm.ts');
    return finish(await vm(action, options, command));
  });

program
  .command('completion')
  .description('print the completion of a shell')
  .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
  .action(async (shell: Shell) => {
    const { completion } = await import('./shell/completion.ts');
    process.stdout.write(completion(program, shell));
  });

program
  .command('man')
  .description('print the manual page: lastref man | man -l -')
  .action(async () => {
    const { manPage } = await import('./shell/man-page.ts');
    process.stdout.write(manPage(program));
  });

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) finish(error.exitCode === 0 ? EXIT.good : EXIT.usage);
  else finish(explain(error));
}

/** Not process.exit: what was written to a pipe must get there. */
function finish(code: number): void {
  process.exitCode = code;
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function integer(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return Number(text);
}

function percent(text: string): number {
  const value = Number(text.replace(/\s*%$/, ''));
  if (!(value >= 0 && value <= 1000))
    throw new InvalidArgumentError('expected a percentage, 0 to 1000');
  return value;
}

function startOf(text: string): ReplayStart {
  if (/^\d+(\.\d+)?$/.test(text)) return { afterS: Number(text) };
  const wallMs = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(wallMs)) return { wallMs };
  throw new InvalidArgumentError('expected seconds, as 41.3, or a time, as 2026-11-27T03:14:05Z');
}

function speed(text: string): number {
  if (text === 'max') return Number.POSITIVE_INFINITY;
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('expected a number above 0, or max');
  return value;
}
