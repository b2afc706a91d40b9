import type { InodeRow } from '../../../server/protocol/messages.ts';
import { formatClockMs } from '../format/clock.ts';
import { formatDuration } from '../format/duration.ts';
import { formatBytes, formatCount } from '../format/number.ts';
import type { InodeSort } from '../route.ts';

/** One column of the inode table. Widths are in characters of the table's monospace. */
export interface Column {
  readonly key: string;
  readonly title: string;
  readonly help: string;
  readonly width: number;
  readonly right?: boolean;
  readonly sort?: InodeSort;
  readonly text: (row: InodeRow) => string;
  /** Names from the traced machine need care; the others are our own text. */
  readonly foreign?: boolean;
  readonly tone?: (row: InodeRow) => string;
}

/** Width of all columns, in characters. */
export function tableWidth(columns: readonly Column[]): number {
  return columns.reduce((sum, column) => sum + column.width, 0);
}

/** What a column takes of the table's width, for the style sheet. */
export function columnShare(column: Column, columns: readonly Column[]): string {
  return `${(100 * column.width) / tableWidth(columns)}%`;
}

export function columnsFor(manyHosts: boolean): readonly Column[] {
  return manyHosts ? COLUMNS : COLUMNS.filter((column) => column.key !== 'host');
}

const COLUMNS: readonly Column[] = [
  {
    key: 'at',
    title: 'evicted at',
    help: 'wall clock of evict; dim: it is open, and was first seen then',
    width: 14,
    sort: 'recent',
    text: (row) => formatClockMs(row.at_ms),
    tone: (row) => (row.state === 'open' ? 'dim' : ''),
  },
  {
    key: 'host',
    title: 'host',
    help: 'test host',
    width: 9,
    foreign: true,
    text: (row) => row.host,
  },
  {
    key: 'fs',
    title: 'fs',
    help: 'file system type',
    width: 13,
    foreign: true,
    text: (row) => row.fs,
  },
  { key: 'dev', title: 'dev', help: 's_dev of the superblock', width: 6.5, text: (row) => row.dev },
  {
    key: 'ino',
    title: 'ino',
    help: 'inode number; reused by later inodes; – while it has none',
    width: 9,
    right: true,
    sort: 'ino',
    // alloc_inode() returns it before anybody gives it a number
    text: (row) => (row.ino === 0 && row.state === 'open' ? '–' : String(row.ino)),
  },
  {
    key: 'state',
    title: 'state',
    help: 'where this incarnation stands',
    width: 11.5,
    text: (row) => row.state,
    tone: (row) => `state state-${row.state}`,
  },
  {
    key: 'pages',
    title: 'pages',
    help: 'hugepages held at evict',
    width: 7.5,
    right: true,
    sort: 'pages',
    text: (row) => formatCount(row.pages),
    tone: (row) => (row.pages === 0 ? 'dim' : ''),
  },
  {
    key: 'freed',
    title: 'back',
    help: 'hugepages given back since; – where this host does not show it',
    width: 6.5,
    right: true,
    text: (row) => formatCount(row.freed),
    tone: (row) => (row.freed ? '' : 'dim'),
  },
  {
    key: 'owed',
    title: 'owed',
    help: 'hugepages out of the page cache and not free; – where this host does not show it',
    width: 7.5,
    right: true,
    sort: 'owed',
    text: (row) => formatCount(row.owed),
    tone: (row) => (row.owed ? 'owed' : 'dim'),
  },
  {
    key: 'size',
    title: 'size',
    help: 'i_size',
    width: 9.8,
    right: true,
    text: (row) => formatBytes(row.size),
  },
  {
    key: 'nlink',
    title: 'nlink',
    help: 'names left; evict does not mean deleted',
    width: 6.3,
    right: true,
    text: (row) => (row.nlink === null ? '–' : String(row.nlink)),
  },
  {
    key: 'evict',
    title: 'evict',
    help: 'evict begin to evict end',
    width: 9.2,
    right: true,
    sort: 'evict_ns',
    text: (row) => formatDuration(row.evict_ns),
  },
  {
    key: 'grace',
    title: 'grace',
    help: 'destroy_inode to i_callback: the grace period',
    width: 9.2,
    right: true,
    sort: 'grace_ns',
    text: (row) => formatDuration(row.grace_ns),
  },
  {
    key: 'pid',
    title: 'pid',
    help: 'who ran evict',
    width: 8,
    right: true,
    text: (row) => String(row.pid),
  },
  {
    key: 'comm',
    title: 'task',
    help: 'name of that task',
    width: 16.8,
    foreign: true,
    text: (row) => row.comm,
  },
  {
    key: 'note',
    title: 'note',
    help: 'doubtful: events were lost during its life',
    width: 9.6,
    text: (row) => (row.doubtful ? 'doubtful' : ''),
    tone: () => 'tone-warn',
  },
];
