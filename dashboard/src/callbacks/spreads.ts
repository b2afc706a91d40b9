import type { StageLatency } from '../../../server/protocol/series.ts';

/** How long s_op->evict_inode of a filesystem took. */
export function evictOf(latencies: readonly StageLatency[], fs: string): StageLatency | undefined {
  return of(latencies, 'evict_inode..evict_inode_end', fs);
}

/** How long RCU waited; where there are tracepoints alone, with evict_inode. */
export function graceOf(latencies: readonly StageLatency[], fs: string): StageLatency | undefined {
  return (
    of(latencies, 'destroy_inode..i_callback', fs) ?? of(latencies, 'evict_inode..free_inode', fs)
  );
}

function of(latencies: readonly StageLatency[], pair: string, fs: string) {
  return latencies.find((row) => row.pair === pair && row.fs === fs);
}
