/**
 * A guest's recording over and over, faster than the guest was: the same lives with other
 * addresses and inode numbers in each round, as bytes in the size of a pipe's reads.
 */
import type { EpochInfo } from '../../server/protocol/recording.ts';
import { RecordingReader } from '../../server/recording/reader.ts';

const SAMPLE = new URL('../../samples/demo-6.12.lastref', import.meta.url).pathname;
/** The guest did 80 events a second; so many times faster it is a host at full churn. */
const FASTER = 1600;
const TICK_NS = 100e6;
const FRAME_BYTES = 64 * 1024;
const BEGIN_NS = 4_267_000_000_000;

export interface ChurnFrame {
  readonly bytes: Buffer;
  /** Of the lines in it, ticks and beats apart. */
  readonly events: number;
  /** Nanoseconds since the first. */
  readonly ns: number;
}

interface Line {
  readonly ns: number;
  /** Around the time. */
  readonly name: string;
  readonly rest: string;
}

export class Churn {
  readonly info: EpochInfo;
  readonly #head: string;
  readonly #lines: readonly Line[];
  readonly #roundNs: number;

  constructor() {
    const reader = new RecordingReader(SAMPLE);
    this.info = { ...reader.epochs[0]!, canaries: [] };
    let text = '';
    for (const { kind, bytes } of reader.frames()) if (kind === 'out') text += bytes.toString();
    reader.close();
    const said = text.split('\n');
    this.#head = said.filter((line) => /^(lastref|sb|sb_size|vmemmap) /.test(line)).join('\n');
    const lines = said
      .filter(
        (line) =>
          /^[a-z]/.test(line) && !/^(lastref|sb|sb_size|vmemmap|tick|beat|Attach)/.test(line),
      )
      .map((line) => /^(\S+) (\d+)( .*)$/.exec(line)!)
      .map(([, name, time, rest]) => ({ time: Number(time), name: name!, rest: rest! }));
    const first = Math.min(...lines.map(({ time }) => time));
    this.#lines = lines.map(({ time, ...line }) => ({ ...line, ns: (time - first) / FASTER }));
    this.#roundNs = Math.max(...this.#lines.map(({ ns }) => ns)) + 10_000;
  }

  /** At least so many events. */
  *frames(events: number): Iterable<ChurnFrame> {
    let parts: string[] = [`${this.#head}\n`];
    let bytes = 0;
    let inFrame = 0;
    let tick = 0;
    let done = 0;
    for (let round = 0; done < events; round++) {
      for (const { ns, name, rest } of this.#lines) {
        const at = Math.round(round * this.#roundNs + ns);
        for (; tick * TICK_NS <= at; tick++) {
          const time = BEGIN_NS + tick * TICK_NS;
          parts.push(`tick ${time} 0 0 0 ${tick}\nbeat ${time} 0 0 0 1\n`);
        }
        const line = `${name} ${BEGIN_NS + at}${shifted(rest, round)}\n`;
        parts.push(line);
        bytes += line.length;
        inFrame++;
        if (bytes < FRAME_BYTES) continue;
        yield { bytes: Buffer.from(parts.join(''), 'latin1'), events: inFrame, ns: at };
        done += inFrame;
        parts = [];
        bytes = 0;
        inFrame = 0;
      }
    }
  }
}

/** Inodes lie 0x280 bytes apart, folios of hugepages 0x8000; each round uses others of them. */
function shifted(rest: string, round: number): string {
  return rest
    .replace(/ (ffff[0-9a-f]{12})\b/g, (_, address: string) => {
      const step = address.startsWith('ffffea') ? 0x8000 : 0x280;
      const place = (round * 7919) % 50_000;
      return ` ${(BigInt(`0x${address}`) + BigInt(place * step)).toString(16)}`;
    })
    .replace(/^((?: \S+){4,7}? (?:17|25|26)) (\d{3,6}) /, (_, before: string, ino: string) => {
      return `${before} ${Number(ino) + round * 200} `;
    });
}
