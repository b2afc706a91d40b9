/** What the agent says on standard error (see host/agent.ts), line by line. */

import {
  type Holder,
  PIN_WAYS,
  type Pinner,
  type PinWay,
  type Segment,
} from '../model/leaks/scan.ts';
import { commOfHex } from './fields.ts';

export type AgentLine =
  | { readonly kind: 'clock'; readonly uptimeNs: number; readonly wallMs: number }
  | {
      readonly kind: 'pool';
      readonly uptimeNs: number;
      readonly sizeKb: number;
      readonly node: number;
      readonly total: number;
      readonly free: number;
      readonly reserved: number | null;
      readonly surplus: number;
    }
  | { readonly kind: 'online'; readonly uptimeNs: number; readonly cpus: readonly number[] }
  /** kernel.ftrace_enabled: whether probes on functions run. */
  | { readonly kind: 'ftrace'; readonly uptimeNs: number; readonly on: boolean }
  /** HardwareCorrupted of /proc/meminfo, where it is not 0: memory that is poisoned. */
  | { readonly kind: 'corrupted'; readonly uptimeNs: number; readonly kb: number }
  | {
      readonly kind: 'misses';
      readonly uptimeNs: number;
      readonly track: number;
      readonly programs: readonly ProgramMisses[];
    }
  | { readonly kind: 'canary'; readonly fs: string; readonly dev: number; readonly ino: number }
  | { readonly kind: 'nocanary'; readonly fs: string; readonly why: string }
  /** What a scan of the host found; see host/scan.ts. */
  | { readonly kind: 'holder'; readonly holder: Holder }
  | { readonly kind: 'pinner'; readonly pinner: Pinner }
  | { readonly kind: 'segment'; readonly segment: Segment }
  | { readonly kind: 'scanned'; readonly uptimeNs: number; readonly whole: boolean }
  | { readonly kind: 'died' }
  | { readonly kind: 'exit'; readonly status: number }
  | { readonly kind: 'fail'; readonly why: string }
  /** bpftrace's own standard error. */
  | { readonly kind: 'bpftrace'; readonly text: string }
  /** Anything else: the shell, ssh, sudo. */
  | { readonly kind: 'other'; readonly text: string };

/** One program that bpftrace has loaded, from /proc/PID/fdinfo. */
export interface ProgramMisses {
  /** BPF_PROG_TYPE_* (include/uapi/linux/bpf.h): 5 tracepoint, 17 raw tracepoint, 26 tracing (fentry, fexit). */
  readonly type: number;
  readonly id: number;
  readonly misses: number;
}

/** A line is cut to this: the longest the agent prints names a few hundred programs. */
const MAX_LINE = 8192;

/** Splits chunks cut anywhere into lines; a line is bounded. */
export class LineSplitter {
  private _rest = '';
  private readonly _each: (line: string) => void;

  constructor(each: (line: string) => void) {
    this._each = each;
  }

  /** The unfinished line at the end of what came. */
  get rest(): string {
    return this._rest;
  }

  push(chunk: Buffer): void {
    const lines = chunk.toString('latin1').split('\n');
    lines[0] = this._rest + lines[0]!;
    this._rest = lines.pop()!.slice(0, MAX_LINE);
    for (const line of lines) if (line !== '') this._each(line.slice(0, MAX_LINE));
  }

  /** What the agent says ends with a newline: without it a number may be cut. */
  end(): void {
    if (this._rest !== '' && !this._rest.startsWith('a ')) this._each(this._rest);
    this._rest = '';
  }
}

const TIME = '\\d{1,12}(?:\\.\\d{1,9})?';
const COUNT = '\\d{1,15}';
const RANGE = '\\d{1,4}(?:-\\d{1,4})?';

/** The whole of each line that has numbers in it; a form that is not met makes it another's. */
const FORMS: ReadonlyMap<string, RegExp> = new Map(
  Object.entries({
    clock: `${TIME} \\d{1,20}`,
    pool: `${TIME} ${COUNT} -?\\d{1,6} ${COUNT} ${COUNT} (?:\\d{1,20}|-) ${COUNT}`,
    corrupted: `${TIME} ${COUNT}`,
    online: `${TIME} ${RANGE}(?:,${RANGE})*`,
    ftrace: `${TIME} [01]`,
    misses: `${TIME} [01](?: \\d{1,10}:\\d{1,10}:${COUNT})*`,
    canary: `\\w{1,32} ${COUNT} \\d{1,20}`,
    scanned: `${TIME} (?:whole|part)`,
    exit: '\\d{1,3}',
  }).map(([word, form]) => [word, new RegExp(`^a ${word} ${form}$`)]),
);

export function parseAgentLine(line: string): AgentLine {
  if (line.startsWith('b ')) return { kind: 'bpftrace', text: line.slice(2) };
  const words = line.split(' ');
  if (words[0] !== 'a') return { kind: 'other', text: line };
  const number = (i: number) => Number(words[i]);
  const seconds = (i: number) => Math.round(Number(words[i]) * 100) * 1e7;
  // a line that was cut may end inside a number
  const isGood = line.length < MAX_LINE && (FORMS.get(words[1] ?? '')?.test(line) ?? true);
  if (!isGood) return { kind: 'other', text: line };
  switch (words[1]) {
    case 'clock':
      return { kind: 'clock', uptimeNs: seconds(2), wallMs: Number(words[3]) / 1e6 };
    case 'pool':
      return {
        kind: 'pool',
        uptimeNs: seconds(2),
        sizeKb: number(3),
        node: number(4),
        total: number(5),
        free: number(6),
        // resv_huge_pages is unsigned, and the kernel may bring it below zero
        reserved: words[7] === '-' ? null : Number(BigInt.asIntN(64, BigInt(words[7]!))),
        surplus: number(8),
      };
    case 'online':
      return { kind: 'online', uptimeNs: seconds(2), cpus: cpusOf(words[3]!) };
    case 'ftrace':
      return { kind: 'ftrace', uptimeNs: seconds(2), on: words[3] === '1' };
    case 'corrupted':
      return { kind: 'corrupted', uptimeNs: seconds(2), kb: number(3) };
    case 'misses': {
      const programs = words.slice(4).map((word) => word.split(':').map(Number));
      return {
        kind: 'misses',
        uptimeNs: seconds(2),
        track: number(3),
        programs: programs.map(([type, id, misses]) => ({ type: type!, id: id!, misses: misses! })),
      };
    }
    case 'canary':
      return { kind: 'canary', fs: words[2]!, dev: kernelDev(number(3)), ino: number(4) };
    case 'nocanary':
      return { kind: 'nocanary', fs: words[2] ?? '', why: words.slice(3).join(' ') };
    case 'holder': {
      const holder = holderOf(line);
      if (holder === null) break;
      return { kind: 'holder', holder };
    }
    case 'pinner': {
      const pinner = pinnerOf(line);
      if (pinner === null) break;
      return { kind: 'pinner', pinner };
    }
    case 'segment': {
      const segment = segmentOf(line);
      if (segment === null) break;
      return { kind: 'segment', segment };
    }
    case 'scanned':
      return { kind: 'scanned', uptimeNs: seconds(2), whole: words[3] === 'whole' };
    case 'died':
      return { kind: 'died' };
    case 'exit':
      return { kind: 'exit', status: number(2) };
    case 'fail':
      return { kind: 'fail', why: words.slice(2).join(' ') };
  }
  return { kind: 'other', text: line };
}

/** `0-3,6`; numbers of four digits at most. */
function cpusOf(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number) as [number, number?];
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
  });
}

const HOLDER =
  /^a holder (\d+) (\d+) ([01]) (\d+) (\d+) (\d+) ([0-9a-f]+) (fd \d+|mapping [0-9a-f]+-[0-9a-f]+)$/;

function holderOf(line: string): Holder | null {
  const match = HOLDER.exec(line);
  const comm = commOfHex(match?.[7] ?? '');
  if (match === null || comm === null) return null;
  const [dev, ino, deleted, blocks, pageBytes, pid] = match.slice(1, 7).map(Number) as number[];
  const pages = (blocks! * 512) / pageBytes!;
  if (![dev, ino, pages, pageBytes, pid].every(Number.isSafeInteger)) return null;
  return {
    dev: kernelDev(dev!),
    ino: ino!,
    deleted: deleted === 1,
    pages,
    pageBytes: pageBytes!,
    pid: pid!,
    comm,
    how: match[8]!,
  };
}

function pinnerOf(line: string): Pinner | null {
  const match = /^a pinner (\d+) ([0-9a-f]+) fd (\d+) (\w+)(?: (\d+))?$/.exec(line);
  const comm = commOfHex(match?.[2] ?? '');
  if (match === null || comm === null) return null;
  const [, pid, , fd, word, count] = match;
  const way = PIN_WAYS.find((known) => known === word) as PinWay | undefined;
  const buffers = count === undefined ? null : Number(count);
  if (way === undefined || (way === 'io_uring') !== (buffers !== null)) return null;
  const numbers = [Number(pid), Number(fd), buffers ?? 0];
  if (!numbers.every(Number.isSafeInteger)) return null;
  return { pid: numbers[0]!, comm, fd: numbers[1]!, way, buffers };
}

function segmentOf(line: string): Segment | null {
  const match = /^a segment (\d{1,10}) (\d{1,10}) ([0-9a-f]+|-) (\d{1,10})$/.exec(line);
  if (match === null) return null;
  const comm = match[3] === '-' ? '' : commOfHex(match[3]!);
  if (comm === null) return null;
  return { id: Number(match[1]), pid: Number(match[2]), comm, attached: Number(match[4]) };
}

/** From st_dev as stat(2) gives it to s_dev as the kernel keeps it (include/linux/kdev_t.h). */
export function kernelDev(dev: number): number {
  const major = Math.floor(dev / 256) & 0xfff;
  const minor = (dev & 0xff) | (Math.floor(dev / 4096) & 0xfff00);
  return major * 2 ** 20 + minor;
}
