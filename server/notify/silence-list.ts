/** The silences of a session: those of the config file, and those made in the page. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { inForce, silenceOf, silences } from '../model/silences.ts';
import { MAX_SILENCES, type NewSilence, Silence } from '../protocol/alerts.ts';
import type { Config } from '../protocol/config.ts';
import { writeWhole } from './files.ts';

type Labels = Readonly<Record<string, string>>;

export class SilenceList {
  #all: Silence[];
  /** Null: kept in memory alone. */
  readonly #file: string | null;
  readonly #say: (text: string) => void;

  constructor(config: Config, file: string | null, say: (text: string) => void, nowMs: number) {
    this.#file = file;
    this.#say = say;
    this.#all = config.silences.map(({ match, until, reason }, index) => ({
      id: `config-${index + 1}`,
      match,
      until_ms: until === undefined ? null : Date.parse(until),
      until_resolved: false,
      reason,
      created_ms: nowMs,
      config: true,
    }));
    this.#all.push(...this.#read());
  }

  get list(): readonly Silence[] {
    return this.#all;
  }

  /** The one that keeps these labels silent. */
  of(labels: Labels, nowMs: number): Silence | null {
    return silenceOf(this.#all, labels, nowMs);
  }

  /** Null: there are too many. */
  add({ match, until, reason }: NewSilence, nowMs: number): Silence | null {
    if (this.#all.length >= MAX_SILENCES) return null;
    const silence: Silence = {
      id: randomBytes(6).toString('hex'),
      match,
      until_ms: until === 'resolved' ? null : until,
      until_resolved: until === 'resolved',
      reason,
      created_ms: nowMs,
      config: false,
    };
    this.#all = [...this.#all, silence];
    this.#write();
    return silence;
  }

  /** False: there is none, or it stands in the config file. */
  remove(id: string): boolean {
    const rest = this.#all.filter((silence) => silence.id !== id || silence.config);
    if (rest.length === this.#all.length) return false;
    this.#all = rest;
    this.#write();
    return true;
  }

  /** Takes out what is over. `unresolved`: labels of every alert that is pending or fires. */
  expire(unresolved: readonly Labels[], nowMs: number): void {
    const rest = this.#all.filter(
      (silence) =>
        inForce(silence, nowMs) &&
        (!silence.until_resolved || unresolved.some((labels) => silences(silence, labels))),
    );
    if (rest.length === this.#all.length) return;
    this.#all = rest;
    this.#write();
  }

  #read(): Silence[] {
    if (this.#file === null) return [];
    let text: string;
    try {
      text = readFileSync(this.#file, 'utf8');
    } catch {
      return []; // none were made yet
    }
    try {
      return z.array(Silence).max(MAX_SILENCES).parse(JSON.parse(text));
    } catch {
      this.#say(`${this.#file} is damaged: the silences made in the page are lost`);
      return [];
    }
  }

  #write(): void {
    if (this.#file === null) return;
    try {
      writeWhole(this.#file, JSON.stringify(this.#all.filter((silence) => !silence.config)));
    } catch (error) {
      this.#say(`${(error as Error).message}: silences will not outlive this run`);
    }
  }
}
