/** Alerts of a live session: on the terminal, and to the sinks of the config file. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { secondsText, suspectText } from '../model/alert-words.ts';
import { Notifier } from '../notify/notifier.ts';
import { SessionAlerts } from '../notify/session-alerts.ts';
import { SilenceList } from '../notify/silence-list.ts';
import type { Sink } from '../notify/sink.ts';
import { defaultStateDir, StateDir } from '../notify/state-dir.ts';
import type { SessionAlert } from '../protocol/alerts.ts';
import type { Config, SinkConfig } from '../protocol/config.ts';
import { plain } from '../protocol/plain.ts';
import type { Pipeline } from '../tracer/pipeline.ts';

export class Alerting {
  readonly alerts: SessionAlerts;
  /** Where files of this user are kept from run to run. */
  readonly directory: string;
  /** Null without sinks: then nothing of this outlives lastref. */
  readonly #state: StateDir | null;

  /** Throws StateDirError, or the system's error when a spool cannot be used. */
  constructor(
    config: Config,
    stateDir: string | undefined,
    session: {
      pipelines: () => readonly Pipeline[];
      pageUrl: () => string;
      /** The file that leads up to an alert; null: none. */
      recordingOf: (fingerprint: string) => string | null;
      makeSink: (config: SinkConfig) => Sink;
    },
  ) {
    const given = stateDir ?? config.state_dir?.replace(/^~(?=\/)/, homedir());
    this.directory = given ?? defaultStateDir();
    this.#state = config.sinks.length === 0 ? null : new StateDir(this.directory);
    const file = this.#state === null ? null : join(this.#state.path, 'silences.json');
    this.alerts = new SessionAlerts({
      pipelines: session.pipelines,
      silences: new SilenceList(config, file, say, Date.now()),
      notifier:
        this.#state === null
          ? null
          : new Notifier({
              config,
              state: this.#state,
              pageUrl: session.pageUrl,
              say,
              makeSink: session.makeSink,
            }),
      changed: print,
      recordingOf: session.recordingOf,
    });
  }

  async stop(): Promise<void> {
    await this.alerts.stop();
    this.#state?.close();
  }
}

/** On standard error; a silenced alert is on the page alone. */
function print(alert: SessionAlert): void {
  if (alert.silence !== null) return;
  const { state, labels, annotations, leak, note } = alert;
  const what = annotations.summary ?? leak.text;
  if (state !== 'resolved') {
    const suspect = leak.suspects[0];
    const who = suspect === undefined ? '' : `; ${suspectText(suspect)}`;
    return say(`ALERT ${labels.alertname}: ${what}${who}`);
  }
  const why = note === '' ? '' : `; ${note}`;
  const lasted = secondsText(alert.lasted_ms / 1000);
  say(`resolved ${labels.alertname} after ${lasted}${why} (was: ${what})`);
}

export function say(text: string): void {
  process.stderr.write(`lastref: ${plain(text)}\n`);
}
