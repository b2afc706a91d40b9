/** The real server and the real page over hosts whose leaks the test decides. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Notifier } from '../../server/notify/notifier.ts';
import { SessionAlerts } from '../../server/notify/session-alerts.ts';
import { SilenceList } from '../../server/notify/silence-list.ts';
import { StateDir } from '../../server/notify/state-dir.ts';
import { Config } from '../../server/protocol/config.ts';
import type { EpochInfo } from '../../server/protocol/recording.ts';
import { startWeb, type Web } from '../../server/web/server.ts';
import { CLOCK_MS, LeakyHost } from '../fixtures/leaks.ts';

export class LeakyServer {
  readonly host: LeakyHost;
  readonly alerts: SessionAlerts;
  web!: Web;
  readonly #state: StateDir;
  #seconds = 1;

  /** `mode`: replay: without silences and sinks, as lastref replay does it. */
  private constructor(config: object, mode: 'live' | 'replay', traced: Partial<EpochInfo> | null) {
    const parsed = Config.parse(config);
    this.host = new LeakyHost(
      traced ?? {},
      (pipeline, alert) => this.alerts.changed(pipeline, alert),
      traced !== null,
    );
    this.#state = new StateDir(mkdtempSync(join(tmpdir(), 'lastref-page-')));
    const say = () => {};
    const live = mode === 'live';
    this.alerts = new SessionAlerts({
      pipelines: () => [this.host.pipeline],
      silences: live ? new SilenceList(parsed, null, say, CLOCK_MS) : null,
      notifier: live
        ? new Notifier({ config: parsed, state: this.#state, pageUrl: () => this.web.link, say })
        : null,
    });
  }

  /** `traced`: what is known of a host whose lines the test traces; its leaks are found, not made. */
  static async start(
    config: object = {},
    mode: 'live' | 'replay' = 'live',
    traced: Partial<EpochInfo> | null = null,
  ): Promise<LeakyServer> {
    const server = new LeakyServer(config, mode, traced);
    server.web = await startWeb({
      port: 0,
      alerts: server.alerts,
      source: {
        mode,
        banner: mode === 'replay' ? 'This is a recording' : null,
        workload: null,
        now: () => (traced === null ? Date.now() : CLOCK_MS + server.host.seconds * 1000),
        hosts: () => [
          {
            host: 'box',
            status: 'ready',
            message: '',
            pipeline: server.host.pipeline,
            heardAt: Date.now(),
          },
        ],
        pipelines: () => [server.host.pipeline],
      },
    });
    server.later(0);
    server.alerts.start();
    return server;
  }

  /** So many seconds of the trace later; its leaks are those of `host.leaks`. */
  later(seconds: number): void {
    this.#seconds += seconds;
    for (const more of [0, 0.01, 0.02]) this.host.tick(this.#seconds + more);
    this.alerts.check();
  }

  /** With the token. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { Authorization: `Bearer ${this.web.token}`, ...init.headers };
    return fetch(`http://127.0.0.1:${this.web.port}${path}`, { ...init, headers });
  }

  async stop(): Promise<void> {
    await this.alerts.stop();
    await this.web.close();
    this.#state.close();
  }
}
