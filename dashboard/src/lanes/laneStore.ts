import {
  LANE_STAGES,
  LANE_STATES,
  type LaneStage,
  type LanesBlock,
  type LanesOfEpoch,
  MAX_LANES,
} from '../../../server/protocol/lanes.ts';
import { LanePacker } from './packer.ts';

/**
 * The inodes of the timeline in typed arrays: what is drawn is read from here, in the order
 * in which inodes came. Bounded: the oldest quarter goes when there are too many.
 */
export class LaneStore {
  count = 0;
  /** Older inodes that this page has forgotten, and that the server did not send. */
  forgotten = 0;
  leftOut = 0;
  /** Still on their way. */
  pending = 0;
  /** Wall clock of nanosecond 0 of everything here, ms; 0 before the first inode. */
  baseMs = 0;
  /** Changes whenever anything here does. */
  revision = 0;
  columns: LaneColumns = columnsFor(4096);
  readonly groups: LaneGroup[] = [];
  readonly words: string[] = [];
  readonly #capacity: number;
  readonly #places = new Map<string, number>();
  readonly #groupAt = new Map<string, number>();
  /** Where those are that may still change. */
  readonly #index = new Map<number, number>();
  #ticks = 0;

  constructor(capacity = MAX_LANES) {
    this.#capacity = capacity;
  }

  apply(block: LanesBlock): void {
    if (block.reset) this.#clear();
    this.pending = block.pending;
    this.leftOut = block.left_out;
    for (const epoch of block.epochs) this.#take(epoch);
    this.revision++;
  }

  idOf(index: number): string {
    return `${this.columns.epoch[index]}.${this.columns.number[index]}`;
  }

  /** Where an inode is; -1 when it is not here. */
  indexOf(id: string): number {
    const [epoch, number] = id.split('.').map(Number);
    const { columns } = this;
    for (let i = this.count - 1; i >= 0; i--) {
      if (columns.number[i] === number && columns.epoch[i] === epoch) {
        return columns.gone[i] === 1 ? -1 : i;
      }
    }
    return -1;
  }

  word(at: number): string {
    return this.words[at] ?? '';
  }

  /** When each hugepage was free again, ns since this inode began to end. */
  ticksOf(index: number): Float64Array {
    const { tickFrom, tickCount, ticks } = this.columns;
    return ticks.subarray(tickFrom[index]!, tickFrom[index]! + tickCount[index]!);
  }

  #take(block: LanesOfEpoch): void {
    if (this.baseMs === 0) this.baseMs = block.zero_ms;
    const zero = Math.round((block.zero_ms - this.baseMs) * 1e6);
    const words = block.words.map((word) => this.#place(word));
    let tick = 0;
    block.number.forEach((number, i) => {
      const key = block.epoch * 2 ** 40 + number;
      const backs = block.backs[i]!;
      const at = this.#index.get(key) ?? this.#add(key, words[block.fs[i]!]!, block);
      this.#write(at, block, i, { zero, words, ticks: block.back.slice(tick, tick + backs) });
      tick += backs;
    });
    for (const number of block.gone) {
      const at = this.#index.get(block.epoch * 2 ** 40 + number);
      if (at !== undefined) this.columns.gone[at] = 1;
    }
  }

  #add(key: number, fs: number, { epoch, host }: LanesOfEpoch): number {
    if (this.count >= this.#capacity) this.#forget();
    if (this.count === this.columns.number.length) this.columns = grown(this.columns);
    const at = this.count++;
    this.#index.set(key, at);
    const { columns } = this;
    columns.epoch[at] = epoch;
    columns.group[at] = this.#group(host, this.words[fs]!);
    columns.lane[at] = -1;
    return at;
  }

  #write(
    at: number,
    block: LanesOfEpoch,
    i: number,
    { zero, words, ticks }: { zero: number; words: readonly number[]; ticks: readonly number[] },
  ): void {
    const { columns } = this;
    const begin = zero + block.begin[i]!;
    columns.number[at] = block.number[i]!;
    columns.begin[at] = begin;
    let last = 0;
    for (const stage of LANE_STAGES) {
      const ns = block.stages[stage][i]!;
      columns.stages[stage][at] = ns < 0 ? Number.NaN : ns;
      if (ns > last) last = ns;
    }
    for (const name of ['fs', 'dev', 'comm'] as const) columns[name][at] = words[block[name][i]!]!;
    for (const name of PLAIN) columns[name][at] = block[name][i]!;
    this.#writeTicks(at, ticks);
    const owes = block.owed[i]! > 0;
    const over = block.state[i]! >= ENDED && !(owes && block.state[i] === ENDED);
    const end = over ? begin + Math.max(last, ticks.at(-1) ?? 0, 1) : Number.POSITIVE_INFINITY;
    const { packer } = this.groups[columns.group[at]!]!;
    if (columns.lane[at]! < 0) columns.lane[at] = packer.take(begin, end);
    else packer.ends(columns.lane[at]!, columns.end[at]!, end);
    columns.end[at] = end;
    columns.gone[at] = 0;
  }

  #writeTicks(at: number, ticks: readonly number[]): void {
    const { columns } = this;
    if (columns.tickCount[at]! < ticks.length) {
      if (this.#ticks + ticks.length > columns.ticks.length) {
        const more = new Float64Array(2 * columns.ticks.length + ticks.length);
        more.set(columns.ticks);
        columns.ticks = more;
      }
      columns.tickFrom[at] = this.#ticks;
      this.#ticks += ticks.length;
    }
    columns.ticks.set(ticks, columns.tickFrom[at]);
    columns.tickCount[at] = ticks.length;
  }

  /** The oldest quarter. Lanes stay as they are. */
  #forget(): void {
    const cut = Math.ceil(this.count / 4);
    const { columns } = this;
    const newest = this.#newest();
    const ticks = new Float64Array(Math.max(1024, this.#ticks));
    for (const array of arraysOf(columns)) array.copyWithin(0, cut, this.count);
    this.forgotten += cut;
    this.count -= cut;
    this.#index.clear();
    this.#ticks = 0;
    for (let i = 0; i < this.count; i++) {
      const own = this.ticksOf(i);
      ticks.set(own, this.#ticks);
      columns.tickFrom[i] = this.#ticks;
      this.#ticks += own.length;
      if (columns.end[i]! > newest - SETTLED_NS) {
        this.#index.set(columns.epoch[i]! * 2 ** 40 + columns.number[i]!, i);
      }
    }
    columns.ticks = ticks;
    columns.tickCount.fill(0, this.count);
  }

  /** When the last one began. */
  #newest(): number {
    let newest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < this.count; i++) newest = Math.max(newest, this.columns.begin[i]!);
    return newest;
  }

  #clear(): void {
    this.count = 0;
    this.forgotten = 0;
    this.baseMs = 0;
    this.#ticks = 0;
    this.groups.length = 0;
    this.words.length = 0;
    this.#places.clear();
    this.#groupAt.clear();
    this.#index.clear();
    this.columns.tickCount.fill(0);
  }

  #place(word: string): number {
    let at = this.#places.get(word);
    if (at === undefined) {
      at = this.words.push(word) - 1;
      this.#places.set(word, at);
    }
    return at;
  }

  #group(host: string, fs: string): number {
    const key = `${host} ${fs}`;
    let at = this.#groupAt.get(key);
    if (at === undefined) {
      at = this.groups.push({ host, fs, packer: new LanePacker() }) - 1;
      this.#groupAt.set(key, at);
    }
    return at;
  }
}

/** Inodes of one filesystem of one host: they share lanes. */
export interface LaneGroup {
  readonly host: string;
  readonly fs: string;
  readonly packer: LanePacker;
}

export interface LaneColumns {
  readonly epoch: Uint32Array;
  readonly number: Float64Array;
  readonly group: Uint32Array;
  readonly lane: Int32Array;
  /** ns since `baseMs`. */
  readonly begin: Float64Array;
  /** When the last that is drawn of it is over; Infinity while that is to come. */
  readonly end: Float64Array;
  /** ns since `begin`; NaN where not seen. */
  readonly stages: Readonly<Record<LaneStage, Float64Array>>;
  readonly fs: Uint32Array;
  readonly dev: Uint32Array;
  readonly comm: Uint32Array;
  readonly ino: Float64Array;
  readonly pid: Float64Array;
  readonly state: Uint8Array;
  readonly context: Uint8Array;
  readonly doubtful: Uint8Array;
  readonly pages: Float64Array;
  readonly owed: Float64Array;
  readonly gone: Uint8Array;
  readonly tickFrom: Uint32Array;
  readonly tickCount: Uint32Array;
  ticks: Float64Array;
}

/** Columns that are the same here as in a message. */
const PLAIN = ['ino', 'pid', 'state', 'context', 'doubtful', 'pages', 'owed'] as const;
const ENDED = LANE_STATES.indexOf('ended');
/** The server says no more of an inode that was over for so long; it says less. */
const SETTLED_NS = 30e9;

function columnsFor(room: number): LaneColumns {
  const stages = LANE_STAGES.map((stage) => [stage, new Float64Array(room)] as const);
  return {
    epoch: new Uint32Array(room),
    number: new Float64Array(room),
    group: new Uint32Array(room),
    lane: new Int32Array(room),
    begin: new Float64Array(room),
    end: new Float64Array(room),
    stages: Object.fromEntries(stages) as Record<LaneStage, Float64Array>,
    fs: new Uint32Array(room),
    dev: new Uint32Array(room),
    comm: new Uint32Array(room),
    ino: new Float64Array(room),
    pid: new Float64Array(room),
    state: new Uint8Array(room),
    context: new Uint8Array(room),
    doubtful: new Uint8Array(room),
    pages: new Float64Array(room),
    owed: new Float64Array(room),
    gone: new Uint8Array(room),
    tickFrom: new Uint32Array(room),
    tickCount: new Uint32Array(room),
    ticks: new Float64Array(1024),
  };
}

type Column = Uint8Array | Uint32Array | Int32Array | Float64Array;

/** Every column that has a value for each inode. */
function arraysOf(columns: LaneColumns): Column[] {
  const { stages, ticks: _, ...others } = columns;
  return [...Object.values(others), ...Object.values(stages)];
}

function grown(columns: LaneColumns): LaneColumns {
  const more = columnsFor(2 * columns.number.length);
  const from = arraysOf(columns);
  arraysOf(more).forEach((array, i) => {
    array.set(from[i]!);
  });
  more.ticks = columns.ticks;
  return more;
}
