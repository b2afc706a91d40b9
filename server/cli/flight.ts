/** Saves what the flight recorder has when an alert fires: see recording/flight.ts. */
import type { Alert } from '../protocol/alerts.ts';
import { nowMs } from '../protocol/clock.ts';
import { FlightRecorder } from '../recording/flight.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import { say } from './alerting.ts';

/** What comes a moment after an alert is kept with it, and alerts of the same moment. */
const AFTER_MS = 1000;
/** Between two files: what fires in between waits, and is in the second. */
const BETWEEN_MS = 60_000;
/** Of the directory. */
const MAX_FILES = 20;
const MAX_FILE_BYTES = 1024 ** 3;
/** Alerts whose file is known. */
const MAX_NAMED = 1000;

export interface FlightSaverOptions {
  readonly minutes: number;
  /** Alerts of which severities are worth a file. */
  readonly severities: readonly string[];
  readonly directory: string;
  readonly pipelines: () => readonly Pipeline[];
  /** Gives the flight recorder all that has come. */
  readonly flush: () => void;
}

export class FlightSaver {
  readonly flight: FlightRecorder;
  /** By fingerprint of an alert, the file that leads up to it. */
  readonly files = new Map<string, string>();
  /** Files written, and those that could not be. */
  #saved = 0;
  #failed = 0;
  readonly #options: FlightSaverOptions;
  #due: Alert[] = [];
  #timer: NodeJS.Timeout | null = null;
  #savedMs = 0;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: FlightSaverOptions) {
    this.#options = options;
    const { minutes, directory, pipelines } = options;
    this.flight = new FlightRecorder({
      minutes,
      directory,
      pipelines,
      maxFiles: MAX_FILES,
      maxFileBytes: MAX_FILE_BYTES,
    });
  }

  alert(alert: Alert): void {
    if (alert.state !== 'firing') return;
    if (!this.#options.severities.includes(alert.labels.severity ?? '')) return;
    this.#due.push(alert);
    const wait = Math.max(AFTER_MS, this.#savedMs + BETWEEN_MS - nowMs());
    this.#timer ??= setTimeout(() => this.#save(), wait);
  }

  state(): { readonly bytes: number; readonly saved: number; readonly failed: number } {
    return { bytes: this.flight.bytes, saved: this.#saved, failed: this.#failed };
  }

  /** What waits is saved. */
  async stop(): Promise<void> {
    this.#save();
    await this.#saving;
  }

  #save(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const [first] = this.#due;
    if (first === undefined) return;
    const due = this.#due;
    this.#due = [];
    this.#savedMs = nowMs();
    this.#options.flush();
    const { host, alertname = 'alert' } = { host: first.leak.host, ...first.labels };
    this.#saving = this.flight.save(host, alertname, nowMs()).then(
      (file) => {
        this.#saved++;
        for (const { fingerprint } of due) this.files.set(fingerprint, file);
        while (this.files.size > MAX_NAMED) this.files.delete(this.files.keys().next().value!);
        say(`what led to ${alertname} on ${host} is in ${file}`);
      },
      (error: Error) => {
        this.#failed++;
        say(`what led to ${alertname} on ${host} is not kept: ${error.message}`);
      },
    );
  }
}
