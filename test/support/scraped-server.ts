/** A real server with something in every metric: two recorded hosts, played as fast as a test wants. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Notifier } from '../../server/notify/notifier.ts';
import { SessionAlerts } from '../../server/notify/session-alerts.ts';
import { StateDir } from '../../server/notify/state-dir.ts';
import { Config } from '../../server/protocol/config.ts';
import type { Frame } from '../../server/recording/reader.ts';
import type { Pipeline } from '../../server/tracer/pipeline.ts';
import { startWeb, type Web } from '../../server/web/server.ts';
import { DEMO, framesOf, RECORDINGS, RecordedSession } from '../fixtures/recordings.ts';

/** As if they came from a stream. */
const COUNTS = {
  ...{ taken: 90, again: 2, missing: 10, skipped: 3, rejected: 1 },
  ...{ dropped: 10, takeovers: 1, behind: 0, spooledBytes: 4096 },
};

/** One host of the fleet. */
class PlayedHost {
  readonly session: RecordedSession;
  readonly #frames: readonly Frame[];
  #at = 0;

  constructor(file: string, recording: string | null) {
    const played = framesOf(file);
    this.#frames = played.frames;
    this.session = new RecordedSession(played, { file: recording });
  }

  /** Plays up to a part of the whole. */
  upTo(part: number): void {
    const end = Math.ceil(this.#frames.length * part);
    for (; this.#at < end; this.#at++) this.session.give(this.#frames[this.#at]!);
    this.session.recorder.flush();
  }
}

export class ScrapedServer {
  web!: Web;
  readonly #directory = mkdtempSync(join(tmpdir(), 'lastref-scraped-'));
  readonly #state = new StateDir(join(this.#directory, 'state'));
  readonly #hosts: readonly PlayedHost[] = [
    new PlayedHost(DEMO, join(this.#directory, 't.lastref')),
    new PlayedHost(RECORDINGS['scenarios-6.1']!, null),
  ];
  readonly #alerts: SessionAlerts;

  private constructor() {
    const config = Config.parse({ sinks: [{ name: 'pager', command: ['/bin/true'] }] });
    const notifier = new Notifier({
      config,
      state: this.#state,
      pageUrl: () => this.web.origin,
      say: () => {},
    });
    this.#alerts = new SessionAlerts({
      pipelines: () => this.pipelines(),
      silences: null,
      notifier,
    });
  }

  static async start(): Promise<ScrapedServer> {
    const server = new ScrapedServer();
    server.upTo(0.2);
    server.web = await startWeb({
      port: 0,
      alerts: server.#alerts,
      recording: () => ({
        recording: server.#hosts[0]!.session.recorder.state(),
        flight: { bytes: 4096, saved: 1, failed: 0 },
      }),
      source: {
        mode: 'live',
        banner: null,
        workload: null,
        now: () => Date.now(),
        hosts: () =>
          server.pipelines().map((pipeline) => ({
            host: pipeline.info.host,
            status: 'ready',
            message: '',
            pipeline,
            heardAt: Date.now() - 100,
            restarts: 1,
            attachMs: 5400,
            stream: COUNTS,
          })),
        pipelines: () => server.pipelines(),
        broker: () => ({ connected: true, reconnects: 1 }),
      },
    });
    return server;
  }

  pipelines(): readonly Pipeline[] {
    return this.#hosts.flatMap(({ session }) => session.pipelines);
  }

  /** Plays all hosts up to a part of what they recorded. */
  upTo(part: number): void {
    for (const host of this.#hosts) host.upTo(part);
  }

  async metrics(): Promise<string> {
    const answer = await fetch(`${this.web.localOrigin}/metrics`, {
      headers: { Authorization: `Bearer ${this.web.token}` },
    });
    if (!answer.ok) throw new Error(`/metrics: ${answer.status}`);
    return await answer.text();
  }

  async stop(): Promise<void> {
    await this.#alerts.stop();
    await this.web.close();
    for (const { session } of this.#hosts) session.close();
    this.#state.close();
    rmSync(this.#directory, { recursive: true });
  }
}
