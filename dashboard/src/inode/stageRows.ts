import type { InodeDetail } from '../../../server/protocol/messages.ts';
import type { Context, InodeStage } from '../../../server/protocol/stages.ts';

export interface StageRow {
  readonly stage: InodeStage;
  readonly ns: number | null;
  /** Time since the stage seen before this one; null for the first and for those not seen. */
  readonly delta: number | null;
  readonly context: Context;
  readonly why: string;
}

/**
 * The stages in the order they happened, each with the time since the one before.
 * A stage that was not seen stands after the one it should have followed.
 */
export function stageRows(detail: InodeDetail): StageRow[] {
  const ordered: InodeDetail['stages'][number][] = detail.stages
    .filter((stage) => stage.ns !== null)
    .sort((a, b) => (a.ns ?? 0) - (b.ns ?? 0));
  detail.stages.forEach((stage, index) => {
    if (stage.ns !== null) return;
    const before = detail.stages[index - 1];
    const at = before ? ordered.findIndex((other) => other.stage === before.stage) : -1;
    ordered.splice(at + 1, 0, stage);
  });
  let last: number | null = null;
  return ordered.map((stage) => {
    const delta: number | null = stage.ns === null || last === null ? null : stage.ns - last;
    if (stage.ns !== null) last = stage.ns;
    return { ...stage, delta };
  });
}
