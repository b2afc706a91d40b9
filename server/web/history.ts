/**
 * A point each second for the charts of every client: the last hour. Of a replay they
 * are made by what runs ahead of what is shown, all of them are kept, and those up to what is
 * shown are given.
 */
import { APART } from '../protocol/hosts.ts';
import type { LatencySeries, PoolSeries, Series } from '../protocol/series.ts';
import { currentEpochs } from '../tracer/alerts.ts';
import { LatencyHistory, type SecondOfPair } from './latency-history.ts';
import type { Source } from './source.ts';

const POINTS = 3600;
/** Where there are many hosts, each by itself is known for so long. */
const POINTS_OF_EACH = 600;
/** Of a replay: more than a day. */
const REPLAY_POINTS = 100_000;

interface Point {
  readonly t: number;
  readonly ended: ReadonlyMap<string, number>;
  readonly pools: ReadonlyMap<string, readonly (number | null)[]>;
  readonly events: number;
  readonly lost: number;
  /** Hosts that nobody watches. */
  readonly down: ReadonlySet<string>;
  /** Events and losses by host. */
  readonly rates: ReadonlyMap<string, number>;
  readonly losses: ReadonlyMap<string, number>;
  /** By pair, host and filesystem. */
  latencies: ReadonlyMap<string, SecondOfPair>;
}

const NONE: ReadonlyMap<string, SecondOfPair> = new Map();

const POOL_FIELDS = ['total', 'free', 'reserved', 'surplus'] as const;

export class History {
  /** Points ever taken; the newest are kept. */
  #taken = 0;
  /** Time of the newest point. */
  #at = Number.NEGATIVE_INFINITY;
  readonly #points: Point[] = [];
  readonly #source: Source;
  readonly #before = new Map<string, number>();
  readonly #sums = new WeakMap<Point, Point>();
  readonly #latencies = new LatencyHistory();

  constructor(source: Source) {
    this.#source = source;
  }

  /** Takes a point when a second has passed since the last one. `now`: the time of `pipelines`, ms. */
  sample(now: number, pipelines = this.#source.pipelines()): void {
    if (now === 0 || now - this.#at < 1000) return;
    const { mode } = this.#source;
    const current = [...currentEpochs(pipelines)];
    const down = new Set(current.flatMap(([host, { model }]) => (model.gaps.isDown ? [host] : [])));
    // a point would say that nothing happened
    if (current.length > 0 && down.size === current.length) return;
    // on whole seconds as far as the caller comes in time, so that a point is not lost to jitter;
    // a replay passes several at once: they are no hole
    const late = now - this.#at >= 2000;
    const replay = mode === 'replay' && now - this.#at < POINTS * 1000;
    this.#at = late && !replay ? now : this.#at + 1000;
    const ended = new Map<string, number>();
    const pools = new Map<string, readonly (number | null)[]>();
    const rates = new Map<string, number>();
    const losses = new Map<string, number>();
    let events = 0;
    let lost = 0;
    pipelines.forEach((pipeline, epoch) => {
      const { host } = pipeline.info;
      for (const [fs, counts] of pipeline.model.inodes.filesystems.counts) {
        const key = `${host} ${fs}`;
        const more = this.#since(`ended ${epoch} ${fs}`, counts.ended);
        ended.set(key, (ended.get(key) ?? 0) + more);
      }
      const rate = this.#since(`events ${epoch}`, pipeline.ledger.events);
      rates.set(host, (rates.get(host) ?? 0) + rate);
      events += rate;
      const lostHere = this.#since(`lost ${epoch}`, pipeline.ledger.lostEvents);
      losses.set(host, (losses.get(host) ?? 0) + lostHere);
      lost += lostHere;
    });
    for (const [host, pipeline] of current) {
      for (const pool of pipeline.model.pools.latest()) {
        if (pool.total === 0 && pool.reserved === 0 && pool.surplus === 0) continue;
        const values = POOL_FIELDS.map((field) => pool[field]);
        pools.set(`${host} ${pool.sizeKb} ${pool.node}`, values);
      }
    }
    const many = this.#isMany();
    const latencies = many
      ? this.#latencies.secondOfAll(pipelines)
      : this.#latencies.second(pipelines);
    const values = { ended, pools, events, lost, rates, losses, latencies };
    this.#points.push({ t: this.#at, down, ...values });
    const old = this.#points.at(-1 - POINTS);
    if (old !== undefined) old.latencies = NONE;
    const at = this.#points.length - 1 - POINTS_OF_EACH;
    if (many && at >= 0) this.#points[at] = together(this.#points[at]!);
    if (this.#points.length > (mode === 'replay' ? REPLAY_POINTS : POINTS)) this.#points.shift();
    this.#taken++;
    this.sample(now, pipelines);
  }

  /** Points that are there to be shown, ever. */
  get taken(): number {
    return this.#taken - this.#ahead();
  }

  /** Events per second of a host, over the last second. */
  eventsPerS(host: string): number {
    return this.#points.at(-1 - this.#ahead())?.rates.get(host) ?? 0;
  }

  /**
   * Points after the first `known` ever taken, of one host or of all; null when there are
   * none. Where there are many hosts, all of them are one.
   */
  since(known: number, host?: string): Series | null {
    const missing = this.taken - known;
    if (missing <= 0) return null;
    const end = this.#points.length - this.#ahead();
    const most = host !== undefined && this.#isMany() ? POINTS_OF_EACH : POINTS;
    const taken = this.#points.slice(Math.max(0, end - Math.min(missing, most)), end);
    const points =
      host === undefined
        ? this.#ofAll(taken)
        : taken.filter(({ down }) => !down.has(host)).map((p) => ofHost(p, host));
    const reset = known === 0 || missing > taken.length;
    return {
      reset,
      t: points.map((p) => p.t),
      ended: spread(points, (p) => p.ended, 0),
      pools: Object.fromEntries(
        keysOf(points, (p) => p.pools).map((key) => [key, poolSeries(points, key)]),
      ),
      events: points.map((p) => p.events),
      lost: points.map((p) => p.lost),
    };
  }

  /** The same of the latency between two stages; where there are many hosts, always of all of them. */
  latency(pair: string, known: number, host?: string): LatencySeries | null {
    const missing = this.taken - known;
    if (missing <= 0) return null;
    const end = this.#points.length - this.#ahead();
    const points = this.#points.slice(Math.max(0, end - Math.min(missing, POINTS)), end);
    const keys = keysOf(points, (p) => p.latencies).filter((key) => {
      if (!key.startsWith(`${pair} `)) return false;
      const of = hostOf(key.slice(pair.length + 1), ENDED_WORDS);
      return host === undefined || of === '' || of === host;
    });
    const columns = (key: string) => {
      const of = points.map((p) => p.latencies.get(key));
      return {
        p50: of.map((second) => second?.p50 ?? null),
        p90: of.map((second) => second?.p90 ?? null),
        p99: of.map((second) => second?.p99 ?? null),
        cells: of.map((second) => second?.cells ?? []),
      };
    };
    return {
      reset: known === 0 || missing > points.length,
      pair,
      t: points.map((p) => p.t),
      by: Object.fromEntries(keys.map((key) => [key.slice(pair.length + 1), columns(key)])),
    };
  }

  #isMany(): boolean {
    return this.#source.hosts().length > APART;
  }

  #ofAll(points: readonly Point[]): readonly Point[] {
    if (!this.#isMany()) return points;
    return points.map((point) => {
      let sum = this.#sums.get(point);
      if (sum === undefined) {
        sum = together(point);
        this.#sums.set(point, sum);
      }
      return sum;
    });
  }

  /** Points of a replay that lie after what is shown. */
  #ahead(): number {
    if (this.#source.mode === 'live') return 0;
    const now = this.#source.now();
    let low = 0;
    let high = this.#points.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#points[middle]!.t <= now) low = middle + 1;
      else high = middle;
    }
    return this.#points.length - low;
  }

  #since(key: string, value: number): number {
    const more = value - (this.#before.get(key) ?? 0);
    this.#before.set(key, value);
    // a loss that turns out to be none, or a canary disowned, takes a count back
    return Math.max(0, more);
  }
}

/** `host fs` and `host size_kb node`: a host's name may hold spaces. */
const ENDED_WORDS = 1;
const POOL_WORDS = 2;

function hostOf(key: string, words: number): string {
  return key.split(' ').slice(0, -words).join(' ');
}

function ofHost(point: Point, host: string): Point {
  const only = <T>(map: ReadonlyMap<string, T>, words: number) =>
    new Map([...map].filter(([key]) => hostOf(key, words) === host));
  return {
    ...point,
    ended: only(point.ended, ENDED_WORDS),
    pools: only(point.pools, POOL_WORDS),
    events: point.rates.get(host) ?? 0,
    lost: point.losses.get(host) ?? 0,
  };
}

/** Sums over the hosts, under the name of none. */
function together(point: Point): Point {
  const ended = new Map<string, number>();
  for (const [key, value] of point.ended) {
    const sum = key.slice(hostOf(key, ENDED_WORDS).length);
    ended.set(sum, (ended.get(sum) ?? 0) + value);
  }
  const pools = new Map<string, (number | null)[]>();
  for (const [key, values] of point.pools) {
    const sum = key.slice(hostOf(key, POOL_WORDS).length);
    const before = pools.get(sum);
    if (before === undefined) pools.set(sum, [...values]);
    else {
      values.forEach((value, i) => {
        if (value !== null) before[i] = (before[i] ?? 0) + value;
      });
    }
  }
  return { ...point, ended, pools, rates: NO_RATES, losses: NO_RATES };
}

const NO_RATES: ReadonlyMap<string, number> = new Map();

function keysOf<T>(points: readonly Point[], of: (p: Point) => ReadonlyMap<string, T>): string[] {
  const keys = new Set<string>();
  for (const point of points) for (const key of of(point).keys()) keys.add(key);
  return [...keys];
}

function spread<T>(
  points: readonly Point[],
  of: (p: Point) => ReadonlyMap<string, T>,
  none: T,
): Record<string, T[]> {
  return Object.fromEntries(
    keysOf(points, of).map((key) => [key, points.map((p) => of(p).get(key) ?? none)]),
  );
}

function poolSeries(points: readonly Point[], key: string): PoolSeries {
  const column = (i: number) => points.map((p) => p.pools.get(key)?.[i] ?? null);
  return { total: column(0), free: column(1), reserved: column(2), surplus: column(3) };
}
