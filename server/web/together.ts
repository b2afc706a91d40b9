/** Of many hosts, what is shown of all of them: the same probes, callbacks and pools as one. */
import { Histogram } from '../model/histogram.ts';
import { addLedgers } from '../protocol/hosts.ts';
import type { CallbackRow, ProbeLedger } from '../protocol/messages.ts';

/** Of many hosts, the newest gaps are shown. */
export const MAX_GAPS = 500;

export function mergedHistogram(histograms: readonly Histogram[]): Histogram {
  const all = new Histogram();
  for (const one of histograms) all.merge(one);
  return all;
}

/** A row for each probe, under the name of no host. */
export function mergedLedgers(rows: readonly ProbeLedger[]): ProbeLedger[] {
  return grouped(rows, ({ stage, probe }) => `${stage} ${probe}`).map((same) => {
    return { ...same[0]!, ...addLedgers(same), host: '' };
  });
}

/** A row for each filesystem and its functions; `host` says on how many. */
export function mergedCallbacks(rows: readonly CallbackRow[]): CallbackRow[] {
  const key = (row: CallbackRow) =>
    [row.fs, row.drop_inode, row.evict_inode, row.destroy_inode, row.free_inode].join(' ');
  return grouped(rows, key).map((same) => {
    const hosts = new Set(same.map(({ host }) => host)).size;
    return {
      ...same[0]!,
      host: hosts === 1 ? same[0]!.host : `${hosts} hosts`,
      dev: same.length === 1 ? same[0]!.dev : '',
      confirmed: same.reduce((sum, { confirmed }) => sum + confirmed, 0),
      contradicted: same.reduce((sum, { contradicted }) => sum + contradicted, 0),
    };
  });
}

function grouped<T>(rows: readonly T[], keyOf: (row: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const key = keyOf(row);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return [...groups.values()];
}
