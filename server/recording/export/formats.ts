/** The formats that a recording is exported in, and the tables of CSV. */
import { INODE_STAGES } from '../../protocol/stages.ts';

export const EXPORT_FORMATS = ['perfetto', 'chrome', 'ndjson', 'csv'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** How a file of each format is called, longest first. */
const ENDINGS: readonly (readonly [ending: string, format: ExportFormat])[] = [
  ['.perfetto-trace', 'perfetto'],
  ['.pftrace', 'perfetto'],
  ['.ndjson', 'ndjson'],
  ['.json', 'chrome'],
  ['.csv', 'csv'],
];

/** By the ending of the name; null for any other. */
export function formatOf(path: string): ExportFormat | null {
  return ENDINGS.find(([ending]) => path.endsWith(ending))?.[1] ?? null;
}

export const ENDINGS_TEXT = ENDINGS.map(([ending]) => ending).join(', ');

/** The tables, and the columns of each. */
export const CSV_TABLES = {
  inodes: [
    ...['epoch', 'host', 'id', 'fs', 's_dev', 'ino', 'address', 'state', 'born', 'doubtful'],
    ...['pid', 'tid', 'comm', 'nlink', 'mode', 'size', 'pages', 'freed', 'owed'],
    ...['first_ns', 'last_ns', ...INODE_STAGES.map((stage) => `${stage}_ns`)],
    ...['evict_took_ns', 'grace_took_ns', 'free_context', 'free_cpu', 'broken', 'suspected'],
  ],
  hugepages: [
    ...['epoch', 'host', 'inode', 'fs', 's_dev', 'ino', 'folio', 'pfn', 'index', 'state', 'fate'],
    ...['extra_refs', 'removed_ns', 'freed_ns', 'back_ns'],
  ],
  pool: ['epoch', 'host', 'ts_ns', 'size_kb', 'node', 'total', 'free', 'reserved', 'surplus'],
  gaps: ['epoch', 'host', 'from_ns', 'to_ns', 'lost', 'where', 'detail'],
  leaks: [
    ...['epoch', 'host', 'id', 'kind', 'state', 'verdict', 'fs', 's_dev', 'ino', 'inode'],
    ...['pages', 'bytes', 'since_ns', 'fired_ns', 'until_ns', 'text', 'suspects'],
  ],
} as const satisfies Record<string, readonly string[]>;
export type CsvTable = keyof typeof CSV_TABLES;
