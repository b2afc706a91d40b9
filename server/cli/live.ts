/** `lastref live`: trace, serve the page, run the workload. */
import { spawn } from 'node:child_process';
import { quote } from '../host/agent.ts';
import type { Host } from '../host/host.ts';
import { selectHost } from '../host/select.ts';
import type { SessionAlerts } from '../notify/session-alerts.ts';
import { recordedAlerting } from '../protocol/config.ts';
import { RecordingWriter } from '../recording/writer.ts';
import { Session } from '../tracer/session.ts';
import type { Tracer } from '../tracer/tracer.ts';
import { startWeb, type Web } from '../web/server.ts';
import { Alerting } from './alerting.ts';
import { loadConfig } from './config.ts';
import { CliError, EXIT } from './exit.ts';
import { forgetServer, rememberServer } from './servers.ts';
import { type TraceFlags, traceOptions } from './trace-options.ts';

export interface LiveOptions extends TraceFlags {
  readonly host: readonly string[];
  readonly port: number;
  readonly open: boolean;
  readonly record?: string;
  readonly push: readonly string[];
  readonly keep: number;
  readonly bufferPages?: number;
  readonly config?: string;
  readonly state?: string;
}

/** Runs until SIGINT or SIGTERM; resolves to the exit code. */
export async function live(options: LiveOptions, workload: readonly string[]): Promise<number> {
  const config = loadConfig(options.config);
  const hosts = options.host.map(selectHost);
  const stopped = stopSignal();
  const recording = options.record === undefined ? null : new RecordingWriter(options.record);
  // declared before what it shows: a spool that cannot be used is told before tracing begins
  const alerting = new Alerting(config, options.state, {
    pipelines: () => session.pipelines(),
    pageUrl: () => new URL(web.link).origin,
  });
  const session: Session = new Session(hosts, {
    trace: traceOptions(options),
    alerts: recordedAlerting(config),
    onAlert: (pipeline, alert) => alerting.alerts.changed(pipeline, alert),
    keep: options.keep,
    ...(options.bufferPages === undefined ? {} : { bufferPages: options.bufferPages }),
    workload: workload.length === 0 ? null : workload.join(' '),
    onStatus: printStatus,
    ...(recording === null
      ? {}
      : {
          onFrame: (epoch, kind, bytes) => recording.frame(epoch.number, kind, bytes, Date.now()),
          onEpoch: (pipeline) => recording.epoch(pipeline.info),
        }),
  });
  const web: Web = await listen(session, alerting.alerts, options.port);
  rememberServer(web);
  process.stdout.write(`lastref: ${web.link}\n`);
  if (options.open) openBrowser(web.link);
  session.start();
  alerting.alerts.start();
  let code: number = EXIT.good;
  try {
    const all = Promise.all(session.tracers.map((tracer) => tracer.ready()));
    const outcome = await Promise.race([
      all.then(
        () => 'ready',
        () => 'failed',
      ),
      stopped,
    ]);
    if (outcome === 'failed' && session.tracers.every((t) => t.status === 'failed')) {
      return EXIT.tracing; // each reason has been printed
    }
    if (outcome === 'ready' && workload.length > 0) {
      code = await runWorkload(hosts[0]!, options.push, workload, stopped);
    }
    await stopped;
    return code;
  } finally {
    forgetServer(web.port);
    await session.stop();
    await alerting.stop();
    recording?.close();
    await web.close();
  }
}

async function listen(session: Session, alerts: SessionAlerts, port: number): Promise<Web> {
  try {
    return await startWeb({ source: session, alerts, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE' && code !== 'EACCES') throw error;
    throw new CliError(
      EXIT.usage,
      code === 'EADDRINUSE'
        ? `port ${port} is in use, perhaps by another lastref.\nTake another one: lastref live --port ${port + 1}   (0: any free one)`
        : `this user may not listen on port ${port}.\nTake one above 1023: lastref live --port 7373`,
    );
  }
}

/** Resolves to 'stopped' at the first SIGINT or SIGTERM; a second one ends at once. */
function stopSignal(): Promise<'stopped'> {
  return new Promise((resolve) => {
    const stop = () => {
      resolve('stopped');
      process.once('SIGINT', () => process.exit(130));
    };
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  });
}

function printStatus(tracer: Tracer): void {
  const text = tracer.message === '' ? '' : `: ${tracer.message}`;
  process.stderr.write(`lastref: ${tracer.host.name} ${tracer.status}${text}\n`);
}

/** The workload runs in a directory of its own on the host, which is removed after it. */
async function runWorkload(
  host: Host,
  push: readonly string[],
  workload: readonly string[],
  stopped: Promise<unknown>,
): Promise<number> {
  const made = await host.run('mktemp -d /tmp/lastref-workload.XXXXXX');
  if (made.code !== 0)
    throw new CliError(EXIT.workload, `no directory for the workload: ${made.stderr}`);
  const directory = made.stdout.trim();
  for (const file of push) await host.push(file, directory);
  const command = workload.map(quote).join(' ');
  const child = host.spawn(
    [
      // the workload ends when lastref does: its end of standard input closes
      `exec 3<&0; cd ${quote(directory)} || exit 1`,
      `${command} </dev/null 3<&- & p=$!`,
      '{ cat <&3 >/dev/null; kill $p; } 2>/dev/null & k=$!',
      `exec 3<&-; wait $p; s=$?; kill $k 2>/dev/null; cd /; rm -rf ${quote(directory)}; exit $s`,
    ].join('\n'),
  );
  child.stdout.pipe(process.stdout, { end: false });
  child.stderr.pipe(process.stderr, { end: false });
  const how = await Promise.race([child.ended, stopped.then(() => null)]);
  if (how === null) {
    child.stdin.end();
    await Promise.race([child.ended, new Promise((resolve) => setTimeout(resolve, 3000))]);
    child.kill();
    return EXIT.good;
  }
  process.stderr.write(`lastref: the workload ended with status ${how.code ?? how.signal}\n`);
  return how.code === 0 ? EXIT.good : EXIT.workload;
}

function openBrowser(link: string): void {
  if (process.env.DISPLAY === undefined && process.env.WAYLAND_DISPLAY === undefined) return;
  const child = spawn('xdg-open', [link], { stdio: 'ignore', detached: true });
  child.on('error', () => {}); // no xdg-open: the link has been printed
  child.unref();
}
