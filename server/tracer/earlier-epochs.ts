/**
 * A host that is booted again and again has an epoch for each boot. Of the earlier ones it is kept
 * what counts and what was found, and as many ended inodes together as of the one that runs.
 */
import type { Pipeline } from './pipeline.ts';

/** `begun` is the newest of these. `keep`: ended inodes, of all earlier ones of its host. */
export function boundEarlier(pipelines: readonly Pipeline[], begun: Pipeline, keep: number): void {
  let left = keep;
  for (let i = pipelines.length - 1; i >= 0; i--) {
    const { info, model } = pipelines[i]!;
    if (pipelines[i] === begun || info.host !== begun.info.host) continue;
    model.inodes.keepAtMost(left);
    left -= model.inodes.ended;
  }
}
