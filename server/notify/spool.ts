/**
 * What one sink has to be told, and what it has been told of alerts that are not over: on
 * disk, so that neither its failures nor an end of lastref, however sudden, lose a
 * notification or send one twice.
 *
 *   waiting/000000000012.json    a notification that the sink has not taken yet, oldest first
 *   open/FINGERPRINT-STARTS.json a firing one that it has taken; its resolution is still to come
 *
 * A notification that was taken moves from waiting/ to open/ in one step: that is the
 * mark that it was. A resolution replaces its firing there, and is then removed.
 */
import { mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Notification } from '../protocol/alerts.ts';
import { listFiles, writeWhole } from './files.ts';

interface Waiting {
  readonly notification: Notification;
  /** Null: the disk would not take it; it is kept in memory alone. */
  readonly file: string | null;
}

export interface SpoolOptions {
  readonly directory: string;
  /** Firing notifications that may wait. */
  readonly limit: number;
  /** Something that a person should know. */
  readonly say: (text: string) => void;
}

/** Alerts of hosts that are not traced any more are forgotten after so long. */
const FORGET_MS = 30 * 86_400e3;

export class Spool {
  /** Alerts that the sink is not told of because too many waited, ever. */
  dropped = 0;
  readonly #options: SpoolOptions;
  readonly #waitingDir: string;
  readonly #openDir: string;
  readonly #waiting: Waiting[] = [];
  /** By fingerprint: firing, waiting or taken, without a resolution that waits or was taken. */
  readonly #unresolved = new Map<string, Notification>();
  /** Of those, the keys that the sink has taken. */
  readonly #taken = new Set<string>();
  /** Keys of firing ones that were dropped, and of such that the sink refused. */
  readonly #dropped = new Set<string>();
  readonly #refused = new Set<string>();
  #next = 1;

  /** Throws the system's error when the directory cannot be used. */
  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#waitingDir = join(options.directory, 'waiting');
    this.#openDir = join(options.directory, 'open');
    for (const directory of [this.#waitingDir, this.#openDir]) {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    }
    this.dropped = this.#readDropped();
    this.#readOpen();
    this.#readWaiting();
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** The oldest one that waits. */
  get head(): Notification | undefined {
    return this.#waiting[0]?.notification;
  }

  /** Alerts that the sink was or will be told of, and not of their end. */
  get unresolved(): ReadonlyMap<string, Notification> {
    return this.#unresolved;
  }

  /** Whether the sink itself has said that it knows of this alert. */
  knows(fingerprint: string): boolean {
    const notification = this.#unresolved.get(fingerprint);
    return notification !== undefined && this.#taken.has(notification.key);
  }

  /**
   * An alert fires; may be said again and again. Nothing, if the sink was told of it, by an
   * earlier lastref perhaps.
   */
  firing(notification: Notification): void {
    const { fingerprint, key } = notification;
    if (this.#unresolved.has(fingerprint) || this.#refused.has(key)) return;
    const firing = this.#waiting.filter((w) => w.notification.status === 'firing');
    if (firing.length >= this.#options.limit) return this.#drop(key);
    if (this.#dropped.delete(key)) this.#writeDropped(this.dropped - 1);
    this.#unresolved.set(fingerprint, notification);
    this.#put(notification);
  }

  /** It is over. Nothing, if the sink was not told of it; always room, since that was bounded. */
  resolved(notification: Notification): void {
    const { fingerprint } = notification;
    for (const keys of [this.#dropped, this.#refused]) {
      keys.delete(keyOf(fingerprint, notification.starts_at, 'firing'));
    }
    const firing = this.#unresolved.get(fingerprint);
    if (firing === undefined) return;
    this.#unresolved.delete(fingerprint);
    // it began when the sink was told that it did, by an earlier lastref perhaps
    const { starts_at } = firing;
    this.#put({ ...notification, starts_at, key: keyOf(fingerprint, starts_at, 'resolved') });
  }

  /** The sink has taken the oldest one. */
  headTaken(): void {
    const { notification, file } = this.#waiting.shift()!;
    const open = this.#openFile(notification);
    try {
      if (file !== null) renameSync(file, open);
      else if (notification.status === 'firing') writeWhole(open, JSON.stringify(notification));
      if (notification.status === 'resolved') rmSync(open, { force: true });
    } catch (error) {
      this.#trouble(error, 'after lastref ends, it may be sent again');
    }
    if (notification.status === 'firing') this.#taken.add(notification.key);
    else this.#taken.delete(keyOf(notification.fingerprint, notification.starts_at, 'firing'));
  }

  /** The sink will never take the oldest one. A resolution of what it does not know makes no sense. */
  headRefused(): number {
    const { notification, file } = this.#waiting.shift()!;
    this.#remove(file);
    const { fingerprint, starts_at, status } = notification;
    if (status === 'resolved') {
      this.#remove(this.#openFile(notification));
      return 1;
    }
    this.#refused.add(notification.key);
    if (this.#unresolved.get(fingerprint)?.key === notification.key) {
      this.#unresolved.delete(fingerprint);
      return 1;
    }
    const key = keyOf(fingerprint, starts_at, 'resolved');
    const at = this.#waiting.findIndex((w) => w.notification.key === key);
    if (at < 0) return 1;
    this.#remove(this.#waiting.splice(at, 1)[0]!.file);
    return 2;
  }

  #put(notification: Notification): void {
    const name = `${String(this.#next++).padStart(12, '0')}.json`;
    let file: string | null = join(this.#waitingDir, name);
    try {
      writeWhole(file, JSON.stringify(notification));
    } catch (error) {
      file = null;
      this.#trouble(error, 'it is kept in memory until it is sent');
    }
    this.#waiting.push({ notification, file });
  }

  #drop(key: string): void {
    if (this.#dropped.has(key)) return;
    this.#dropped.add(key);
    this.#writeDropped(this.dropped + 1);
    const { limit, say } = this.#options;
    say(`${limit} notifications wait already: ${key} was dropped, ${this.dropped} in all`);
  }

  #writeDropped(count: number): void {
    this.dropped = count;
    try {
      writeWhole(join(this.#options.directory, 'dropped'), String(count));
    } catch {
      // it has been said; the count lives as long as lastref does
    }
  }

  #readDropped(): number {
    try {
      return Number(readFileSync(join(this.#options.directory, 'dropped'), 'utf8')) || 0;
    } catch {
      return 0;
    }
  }

  #readOpen(): void {
    for (const name of listFiles(this.#openDir)) {
      const file = join(this.#openDir, name);
      const notification = this.#read(file);
      if (notification === null) continue;
      const old = Date.now() - Date.parse(notification.starts_at) > FORGET_MS;
      if (old) this.#options.say(`${notification.key}: its end was never seen; forgotten`);
      // killed between the last two steps
      if (notification.status === 'resolved' || old) rmSync(file, { force: true });
      else {
        this.#unresolved.set(notification.fingerprint, notification);
        this.#taken.add(notification.key);
      }
    }
  }

  #readWaiting(): void {
    for (const name of listFiles(this.#waitingDir)) {
      const file = join(this.#waitingDir, name);
      this.#next = Math.max(this.#next, Number.parseInt(name, 10) + 1);
      const notification = this.#read(file);
      if (notification === null) continue;
      this.#waiting.push({ notification, file });
      if (notification.status === 'firing') {
        this.#unresolved.set(notification.fingerprint, notification);
      } else this.#unresolved.delete(notification.fingerprint);
    }
  }

  /** A file that is none of ours is put aside, not thrown away. */
  #read(file: string): Notification | null {
    try {
      return Notification.parse(JSON.parse(readFileSync(file, 'utf8')));
    } catch (error) {
      this.#options.say(`${file} is damaged; kept as ${file}.damaged (${(error as Error).name})`);
      renameSync(file, `${file}.damaged`);
      return null;
    }
  }

  #openFile({ fingerprint, starts_at }: Notification): string {
    return join(this.#openDir, `${fingerprint}-${Date.parse(starts_at)}.json`);
  }

  #remove(file: string | null): void {
    if (file !== null) rmSync(file, { force: true });
  }

  #trouble(error: unknown, so: string): void {
    this.#options.say(`${(error as Error).message}: a notification could not be written; ${so}`);
  }
}

/** The key of a notification: the same for all that tell the same. */
export function keyOf(
  fingerprint: string,
  startsAt: string,
  status: Notification['status'],
): string {
  return `${fingerprint}-${Date.parse(startsAt)}-${status}`;
}
