/** `lastref live`: trace, serve the page, run the workload. */
import { spawn } from 'node:child_process';
import type { SessionAlerts } from '../notify/session-alerts.ts';
import type { Session } from '../tracer/session.ts';
import { startWeb, type Web } from '../web/server.ts';
import { CliError, EXIT } from './exit.ts';
import { forgetServer, rememberServer } from './servers.ts';
import { Tracing, type TracingFlags } from './tracing.ts';
import { exitOf } from './workload.ts';

export interface LiveOptions extends TracingFlags {
  readonly port: number;
  readonly open: boolean;
  readonly record?: string;
  readonly flightMinutes?: number;
}

/** Runs until SIGINT or SIGTERM; resolves to the exit code. */
export async function live(options: LiveOptions, workload: readonly string[]): Promise<number> {
  const tracing = new Tracing(options, {
    file: options.record ?? null,
    workload,
    flightMinutes: options.flightMinutes,
    pageUrl: () => new URL(web.link).origin,
  });
  const { session, alerting, stopped } = tracing;
  let web: Web;
  try {
    web = await listen(session, alerting.alerts, options.port);
  } catch (error) {
    await tracing.stop();
    throw error;
  }
  rememberServer(web);
  process.stdout.write(`lastref: ${web.link}\n`);
  if (options.open) openBrowser(web.link);
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
    forgetServer(web.port);
    await tracing.stop();
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

function openBrowser(link: string): void {
  if (process.env.DISPLAY === undefined && process.env.WAYLAND_DISPLAY === undefined) return;
  const child = spawn('xdg-open', [link], { stdio: 'ignore', detached: true });
  child.on('error', () => {}); // no xdg-open: the link has been printed
  child.unref();
}
