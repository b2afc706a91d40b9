/**
 * An agent whose hosts are real recordings, played as if they were traced now; to be killed:
 * node recorded-agent.ts '{"urls", "spool", "hosts": {NAME: FILE}, "frames", "everyMs"}'
 * gives so many frames of each host every so often, then stays quiet. With "hold" it waits
 * after that many frames until a larger number comes on its standard input. Says, in a line of
 * JSON, how many frames of each have been given to the spool, and how many wait there.
 */
import { writeSync } from 'node:fs';
import { Publisher } from '../../server/nats/publisher.ts';
import { Spool } from '../../server/nats/spool.ts';
import { Uplink } from '../../server/nats/uplink.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { feed } from '../../server/tracer/tracer.ts';
import { framesOf } from '../fixtures/recordings.ts';

export interface RecordedAgent {
  readonly urls: string;
  readonly spool: string;
  readonly spoolBytes?: number;
  /** Name to recording. */
  readonly hosts: Readonly<Record<string, string>>;
  /** Frames of each host at once, and how often. */
  readonly frames: number;
  readonly everyMs: number;
  readonly hold?: number;
}

export interface Said {
  /** Frames of each host. */
  readonly given: Readonly<Record<string, number>>;
  /** Messages of all hosts in the spool. */
  readonly waiting: number;
  readonly dropped: number;
  readonly done: boolean;
}

const options = JSON.parse(process.argv[2]!) as RecordedAgent;
const say = (text: string) => writeSync(2, `${text}\n`);
const spool = new Spool(options.spool, options.spoolBytes ?? 1024 ** 3);
const uplink = new Uplink({
  broker: { urls: options.urls, name: 'a test' },
  stream: { ageMs: 3600e3, bytes: null },
  spool,
  say,
});

class RecordedHost {
  readonly publisher: Publisher;
  given = 0;
  readonly #pipeline: Pipeline;
  readonly #frames;
  #told = false;

  constructor(host: string, file: string) {
    const { epochs, frames } = framesOf(file);
    this.#frames = frames;
    this.#pipeline = new Pipeline({ ...epochs[0]!, host }, { keep: 1000 });
    const wake = () => uplink.wake(host);
    this.publisher = new Publisher({ host, spool, wake, say, timer: false });
    this.publisher.status('ready', '');
    this.publisher.epoch(this.#pipeline);
  }

  get done(): boolean {
    return this.given >= this.#frames.length;
  }

  give(count: number): void {
    for (const { kind, bytes } of this.#frames.slice(this.given, this.given + count)) {
      this.publisher.frame(this.#pipeline.info, kind, bytes);
      feed(this.#pipeline, kind, bytes);
      this.given++;
    }
    this.publisher.tick();
    if (this.done && !this.#told) this.publisher.status('stopped', 'all was played');
    this.#told = this.done;
  }
}

let limit = options.hold ?? Number.POSITIVE_INFINITY;
process.stdin.on('data', (text) => {
  limit = Number(text);
});
await uplink.firstTry;
const hosts = new Map(
  Object.entries(options.hosts).map(([host, file]) => [host, new RecordedHost(host, file)]),
);
setInterval(() => {
  for (const host of hosts.values()) host.give(Math.min(options.frames, limit - host.given));
  const all = [...hosts];
  const said: Said = {
    given: Object.fromEntries(all.map(([name, { given }]) => [name, given])),
    waiting: all.reduce((sum, [name]) => sum + spool.waiting(name), 0),
    dropped: all.reduce((sum, [, { publisher }]) => sum + publisher.dropped.messages, 0),
    done: all.every(([, { done }]) => done),
  };
  writeSync(1, `${JSON.stringify(said)}\n`);
}, options.everyMs);
