/** `lastref agent`: trace hosts, and publish what they say to NATS. */
import { join } from 'node:path';
import { selectHost } from '../host/select.ts';
import { Publisher } from '../nats/publisher.ts';
import { Spool } from '../nats/spool.ts';
import { Uplink } from '../nats/uplink.ts';
import { defaultStateDir } from '../notify/state-dir.ts';
import { recordedAlerting } from '../protocol/config.ts';
import { Recorder } from '../recording/recorder.ts';
import { Session } from '../tracer/session.ts';
import { say } from './alerting.ts';
import { loadConfig } from './config.ts';
import { EXIT } from './exit.ts';
import { brokerOptions, type NatsFlags, streamOptions } from './nats-options.ts';
import { type TraceFlags, traceOptions } from './trace-options.ts';
import { printStatus, stopSignal } from './tracing.ts';

export interface AgentOptions extends TraceFlags, NatsFlags {
  readonly host: readonly string[];
  readonly spool?: string;
  readonly spoolSize: number;
  readonly record?: string;
  readonly keep: number;
  readonly config?: string;
  readonly bufferPages?: number;
}

/** At the end, what waits is given this long to get to the broker. */
const LAST_MS = 5000;
const WATCH_MS = 500;

/** Until SIGINT or SIGTERM, or until no host can be traced; resolves to the exit code. */
export async function agent(options: AgentOptions): Promise<number> {
  const trace = traceOptions(options);
  const config = loadConfig(options.config);
  const hosts = options.host.map(selectHost);
  const spool = new Spool(options.spool ?? join(defaultStateDir(), 'agent'), options.spoolSize);
  const stopped = stopSignal();
  const uplink = new Uplink({
    broker: brokerOptions(options, 'agent'),
    stream: streamOptions(options),
    spool,
    say,
  });
  // what no patience helps is told before anything is traced
  await Promise.race([uplink.firstTry, stopped]);
  const publishers = new Map(
    hosts.map(({ name: host }) => {
      return [host, new Publisher({ host, spool, wake: () => uplink.wake(host), say })];
    }),
  );
  const recorder = new Recorder({
    file: options.record ?? null,
    states: { keep: options.keep },
    pipelines: () => session.pipelines(),
    say,
  });
  const session: Session = new Session(hosts, {
    trace,
    alerts: recordedAlerting(config),
    keep: options.keep,
    ...(options.bufferPages === undefined ? {} : { bufferPages: options.bufferPages }),
    onStatus: (tracer) => {
      printStatus(tracer);
      publishers.get(tracer.host.name)!.status(tracer.status, tracer.message);
    },
    onAlert: (pipeline, alert) => recorder.alert(pipeline, alert),
    ...recorder.wants,
    onEpoch: (pipeline) => {
      recorder.epoch(pipeline);
      publishers.get(pipeline.info.host)!.epoch(pipeline);
    },
    onFrame: (epoch, kind, bytes) => {
      recorder.frame(epoch, kind, bytes);
      publishers.get(epoch.host)!.frame(epoch, kind, bytes);
    },
  });
  session.start();
  const failed = noneLeft(session);
  await Promise.race([stopped, failed.promise]);
  failed.cancel();
  await session.stop();
  for (const publisher of publishers.values()) publisher.close();
  recorder.close();
  await uplink.stop(LAST_MS);
  say(summary(publishers, spool, uplink));
  spool.close();
  const died = session.hosts().some(({ status }) => status === 'failed');
  return died || recorder.failed !== null ? EXIT.tracing : EXIT.good;
}

function noneLeft(session: Session): { promise: Promise<void>; cancel: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const promise = new Promise<void>((resolve) => {
    timer = setInterval(() => {
      if (session.hosts().every(({ status }) => status === 'failed')) resolve();
    }, WATCH_MS);
  });
  return { promise, cancel: () => clearInterval(timer) };
}

function summary(
  publishers: ReadonlyMap<string, Publisher>,
  spool: Spool,
  { sent }: Uplink,
): string {
  const waiting = spool.hosts().reduce((sum, host) => sum + spool.waiting(host), 0);
  const dropped = [...publishers.values()].reduce((sum, p) => sum + p.dropped.messages, 0);
  return `${sent} messages published; ${waiting} wait on disk for the next agent here; ${dropped} dropped`;
}
