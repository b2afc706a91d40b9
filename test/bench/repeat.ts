/**
 * The lives of a recording over and over, many at a time, as the bytes that bpftrace and
 * the agent would have said: other addresses, numbers, hugepages and tasks in each copy;
 * ticks, beats, the kernel's counts and the agent's lines at their own pace.
 */
import { LINES, type LineName } from '../../server/protocol/grammar.ts';
import { trackOf } from '../../server/protocol/line-kinds.ts';
import type { FrameKind } from '../../server/protocol/recording.ts';
import type { Template, TemplateLine } from './template.ts';

/** What a pipe gives at once when its writer is faster than its reader. */
const CHUNK = 64 * 1024;
const TICK_NS = 100e6;
/** Lines come so long after the tracer was ready. */
const LEAD_NS = 300e6;
/** Long enough for whatever is counted to be explained. */
const QUIET_NS = 20e9;

/** Each copy's inodes lie this far from those of the one before; no guest has more memory. */
const INODE_STEP = 2 ** 32;
/** So do its hugepages: 64 bytes of struct page for each base page. */
const FOLIO_STEP = 2 ** 27;
const NUMBER_STEP = 1_000_000;
const TASK_STEP = 100_000;
const POOL_PAGES = 10_000_000;

export interface TimedFrame {
  readonly kind: FrameKind;
  readonly bytes: Buffer;
  /** Nanoseconds after the tracer was ready; 0: before. */
  readonly at: number;
}

export interface Input {
  readonly frames: readonly TimedFrame[];
  /** Lines of the lives, apart from ticks, beats and what came before. */
  readonly events: number;
  /** Calls of kernel functions, or hits of tracepoints, that they tell of. */
  readonly calls: number;
  readonly inodes: number;
  readonly bytes: number;
}

/**
 * `rate`: events in a second of the trace. `live`: bytes come with every tick, as from a
 * bpftrace that is waited for.
 */
export function repeat(template: Template, events: number, rate: number, live = false): Input {
  const copies = Math.ceil(events / template.lines.length);
  const everyNs = Math.round((template.lines.length / rate) * 1e9);
  return new Repetition(template, copies, everyNs, live).input();
}

class Repetition {
  readonly #template: Template;
  readonly #copies: number;
  /** A copy begins so long after the one before. */
  readonly #everyNs: number;
  /** Copies at the same time: an address comes again after so many. */
  readonly #overlap: number;
  readonly #live: boolean;
  readonly #frames: TimedFrame[] = [];
  readonly #counts: Map<LineName, number>;
  #lines: string[] = [];
  #length = 0;
  #bytes = 0;
  #tickAt: number;
  #ticks = 0;
  /** Hugepages in page caches. */
  #used = 0;

  constructor(template: Template, copies: number, everyNs: number, live: boolean) {
    this.#template = template;
    this.#live = live;
    this.#copies = copies;
    this.#everyNs = everyNs;
    this.#overlap = Math.ceil(template.lines.at(-1)!.at / everyNs) + 2;
    this.#counts = new Map(template.printed);
    this.#tickAt = Number(template.readyAt) + TICK_NS;
  }

  input(): Input {
    const { before, readyAt, once, lines, lives, inodes, calls } = this.#template;
    for (const { kind, bytes } of before) this.#frames.push({ kind, bytes, at: 0 });
    const from = Number(readyAt) + LEAD_NS;
    for (const line of once) this.#say(line, 0, Number(readyAt) + TICK_NS / 2);
    if (lives !== 'steps') this.#out(`detail ${Number(readyAt) + TICK_NS / 2} 0 0 0 0 100000`);
    // which copies have a line in a slot of this length is the same in each slot
    const slots = lines
      .map((line) => ({ line, behind: Math.floor(line.at / this.#everyNs) }))
      .map(({ line, behind }) => ({ line, behind, phase: line.at - behind * this.#everyNs }))
      .sort((a, b) => a.phase - b.phase);
    const last = this.#copies + this.#overlap;
    for (let slot = 0; slot < last; slot++) {
      for (const { line, behind, phase } of slots) {
        const copy = slot - behind;
        if (copy < 0 || copy >= this.#copies) continue;
        const ts = from + slot * this.#everyNs + phase;
        this.#tickUntil(ts);
        this.#say(line, copy, ts);
      }
    }
    this.#tickUntil(this.#tickAt + QUIET_NS);
    this.#flush();
    this.#push('end', '{"wanted":true,"why":"the end"}');
    return {
      frames: this.#frames,
      events: lines.length * this.#copies,
      calls: calls * this.#copies,
      inodes: inodes * this.#copies,
      bytes: this.#bytes,
    };
  }

  #say(line: TemplateLine, copy: number, ts: number): void {
    const words = [...line.words];
    words[1] = String(ts);
    const place = copy % this.#overlap;
    for (const i of line.inodes) words[i] = moved(words[i]!, place * INODE_STEP);
    for (const i of line.folios) words[i] = moved(words[i]!, place * FOLIO_STEP);
    for (const i of line.numbers) words[i] = String(Number(words[i]) + copy * NUMBER_STEP);
    for (const i of line.tasks) words[i] = String(Number(words[i]) + place * TASK_STEP);
    this.#out(words.join(' '));
    this.#counts.set(line.name, (this.#counts.get(line.name) ?? 0) + 1);
    if (line.name === 'hugepage_add') this.#used++;
    else if (line.name === 'hugepage_enqueue' || line.name === 'hugepage_to_buddy') this.#used--;
  }

  #tickUntil(ts: number): void {
    while (this.#tickAt <= ts) {
      const at = this.#tickAt;
      this.#out(`tick ${at} 0 0 0 ${++this.#ticks}`);
      for (const beat of this.#template.beats) this.#out(`beat ${at} ${beat}`);
      if (this.#ticks % 10 === 0) this.#account(at);
      if (this.#live) this.#flush();
      this.#tickAt += TICK_NS;
    }
  }

  /** Once a second: the kernel's counts, the pool, the runs that were skipped. */
  #account(at: number): void {
    const names = [...this.#counts.keys()].sort((a, b) => trackOf(a) - trackOf(b));
    for (const name of names) {
      const { id } = LINES[name];
      if (id === 0) continue;
      const apart = this.#template.countedApart.get(id) ?? 0;
      this.#out(`@hits[${id}]: ${this.#counts.get(name)! - apart}`);
    }
    const ended = (this.#counts.get('life') ?? 0) + (this.#counts.get('tp_life') ?? 0);
    if (ended > 0) this.#out(`@full: 0\n@kept: ${ended}`);
    const uptime = (at / 1e9).toFixed(2);
    const { hugepage_kb: kb } = this.#template.info;
    this.#flush();
    this.#push('err', `a pool ${uptime} ${kb} -1 ${POOL_PAGES} ${POOL_PAGES - this.#used} 0 0\n`);
    for (const { track, programs } of this.#template.misses) {
      this.#push('err', `a misses ${uptime} ${track} ${programs}\n`);
    }
  }

  #out(line: string): void {
    this.#lines.push(line);
    this.#length += line.length + 1;
    if (this.#length > CHUNK) this.#flush();
  }

  #flush(): void {
    if (this.#lines.length === 0) return;
    this.#push('out', `${this.#lines.join('\n')}\n`);
    this.#lines = [];
    this.#length = 0;
  }

  #push(kind: FrameKind, text: string): void {
    const bytes = Buffer.from(text, 'latin1');
    this.#bytes += bytes.length;
    this.#frames.push({ kind, bytes, at: this.#tickAt - Number(this.#template.readyAt) });
  }
}

/** A kernel address in hexadecimal, so many bytes further on. */
function moved(address: string, bytes: number): string {
  const low = Number.parseInt(address.slice(4), 16) + bytes;
  return address.slice(0, 4) + low.toString(16).padStart(12, '0');
}
