/**
 * A host that is booted again and again has an epoch for each boot. Of the earlier ones there are as
 * many ended inodes together as of the one that runs; of those before them, what was counted,
 * measured and found.
 */
import type { Pipeline } from './pipeline.ts';

/** `begun` is the newest of these. `keep`: ended inodes, of all earlier ones of its host. */
export function boundEarlier(pipelines: readonly Pipeline[], begun: Pipeline, keep: number): void {
  let left = keep;
  for (let i = pipelines.length - 1; i >= 0; i--) {
    const { info, model } = pipelines[i]!;
    if (pipelines[i] === begun || info.host !== begun.info.host) continue;
    if (left > 0) model.inodes.keepAtMost(left);
    else if (model.inodes.size > 0) model.forget();
    left -= model.inodes.ended;
  }
}
