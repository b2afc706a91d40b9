/** `lastref live`: trace, serve the page, run the workload. */
import { spawn } from 'node:child_process';
import { hostname } from 'node:os';
import { type Broker, Fleet } from '../nats/fleet.ts';
import type { Web } from '../web/server.ts';
import { say } from './alerting.ts';
import { EXIT } from './exit.ts';
import { leaveFleet, type NatsFlags, openFleet, refuseTracing } from './nats-options.ts';
import { announce, endServing, serve } from './serve.ts';
import { Tracing, type TracingFlags } from './tracing.ts';
import { type WebFlags, type WebSettings, webSettings } from './web-options.ts';
import { exitOf } from './workload.ts';

export interface LiveOptions extends TracingFlags, WebFlags, Partial<NatsFlags> {
  readonly open: boolean;
  readonly record?: string;
  readonly flightMinutes?: number;
}

/** Runs until SIGINT or SIGTERM; resolves to the exit code. */
export async function live(options: LiveOptions, workload: readonly string[]): Promise<number> {
  const settings = webSettings(options);
  if (options.nats !== undefined) refuseTracing(options.host, workload);
  const broker = options.nats === undefined ? null : await openFleet(options, options.nats);
  try {
    return await serveLive(options, workload, settings, broker);
  } finally {
    await leaveFleet(broker);
  }
}

async function serveLive(
  options: LiveOptions,
  workload: readonly string[],
  settings: WebSettings,
  broker: Broker | null,
): Promise<number> {
  const name = options.name ?? `${hostname()}:${process.pid}`;
  const tracing = new Tracing(options, {
    file: options.record ?? null,
    workload,
    flightMinutes: options.flightMinutes,
    pageUrl: () => web.origin,
    ...(broker === null
      ? {}
      : {
          fleet: (callbacks) => {
            const self = () => ({ name, url: web.origin });
            return new Fleet(broker, { ...callbacks, keep: options.keep, say, self });
          },
        }),
  });
  const { session, alerting, stopped } = tracing;
  let web: Web;
  try {
    web = await serve(settings, session, alerting.alerts, () => tracing.kept());
  } catch (error) {
    await tracing.stop();
    throw error;
  }
  announce(web, settings, process.stdout);
  if (options.open) openBrowser(web.onceLink());
  tracing.start();
  let code: number = EXIT.good;
  try {
    const outcome = await tracing.ready();
    if (outcome === 'failed') return EXIT.tracing; // each reason has been printed
    if (outcome === 'ready' && workload.length > 0) {
      code = exitOf(await tracing.work(stopped));
    }
    await stopped;
    return code;
  } finally {
    await tracing.stop();
    await endServing(web);
  }
}

function openBrowser(link: string): void {
  if (process.env.DISPLAY === undefined && process.env.WAYLAND_DISPLAY === undefined) return;
  const child = spawn('xdg-open', [link], { stdio: 'ignore', detached: true });
  child.on('error', () => {}); // no xdg-open: the link has been printed
  child.unref();
}
