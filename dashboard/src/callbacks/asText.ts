import { backWords, ranWords } from '../../../server/protocol/callback-words.ts';
import type { CallbackRow } from '../../../server/protocol/messages.ts';
import type { ByFs } from '../../../server/protocol/report.ts';
import type { StageLatency } from '../../../server/protocol/series.ts';
import { formatDuration } from '../format/duration.ts';
import { visibleText } from '../format/visible.ts';
import { type TextPart, WIDTH, wrap } from '../share/plainText.ts';
import { evictOf, graceOf } from './spreads.ts';

/** In the order in which the kernel asks them. */
export const POINTERS = ['drop_inode', 'evict_inode', 'destroy_inode', 'free_inode'] as const;
/** What stands before a value. */
const NAME_WIDTH = 18;

/** Superblocks with the same functions once, and what ran of each type: whole names, for a mail. */
export function callbacksAsText(
  callbacks: readonly CallbackRow[],
  filesystems: ByFs,
  latencies: readonly StageLatency[],
): TextPart {
  const groups = Map.groupBy(callbacks, (row) =>
    [row.host, row.fs, ...POINTERS.map((name) => row[name])].join('\0'),
  );
  const rows = [...groups.values()].flatMap(superblocksText);
  for (const [fs, of] of Object.entries(filesystems)) {
    if (of.ended > 0) rows.push(...ranText(fs, of, latencies));
  }
  return { title: 's_op of each superblock seen, and what ran', lines: [], table: tableOf(rows) };
}

type Row = readonly [name: string, value: string];

function superblocksText(same: readonly CallbackRow[]): Row[] {
  const { fs, host, rule } = same[0]!;
  const sum = (of: 'confirmed' | 'contradicted') => same.reduce((n, row) => n + row[of], 0);
  const where = same.map(({ dev }) => dev).join(' ');
  return [
    [visibleText(fs), visibleText(`${where} on ${host}`)],
    ...POINTERS.map((name): Row => {
      const symbol = same[0]![name];
      return [`  ${name}`, symbol === '0' ? 'NULL' : visibleText(symbol)];
    }),
    ['  rule', visibleText(rule)],
    ['  seen', `${sum('confirmed')} confirmed, ${sum('contradicted')} contradicted`],
  ];
}

function ranText(fs: string, of: ByFs[string], latencies: readonly StageLatency[]): Row[] {
  const took = (spread: StageLatency | undefined) =>
    spread === undefined
      ? ''
      : `p50 ${formatDuration(spread.p50_ns)}, p99 ${formatDuration(spread.p99_ns)}`;
  const rows: Row[] = [
    ['  evict_inode took', took(evictOf(latencies, fs))],
    ['  RCU waited', took(graceOf(latencies, fs))],
    ['  i_callback() ran', ranWords(of.i_callback)],
    ['  hugepages back', backWords(of.hugepages_back)],
  ];
  return [[visibleText(fs), `${of.ended} ended`], ...rows.filter(([, value]) => value !== '')];
}

/** Values that are too long for a line go on below. */
function tableOf(rows: readonly Row[]): TextPart['table'] {
  const lines = rows.flatMap(([name, value]) =>
    wrap(value, WIDTH - NAME_WIDTH - 2).map((line, i) => [i === 0 ? name : '', line]),
  );
  return { rows: lines, right: [], more: 0 };
}
