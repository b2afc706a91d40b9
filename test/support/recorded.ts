/** A recording in memory: what a reader gives of one, from the text of its epochs. */
import type { LineName } from '../../server/protocol/grammar.ts';
import type { EpochInfo } from '../../server/protocol/recording.ts';
import type { Readable } from '../../server/recording/export/walk.ts';
import type { Frame } from '../../server/recording/reader.ts';

export interface RecordedEpoch {
  readonly info: EpochInfo;
  /** Standard output and the agent's standard error. */
  readonly frames: readonly { readonly kind: 'out' | 'err'; readonly text: string }[];
  readonly programs?: readonly (readonly LineName[])[];
}

/** Of each epoch, bpftrace begins and was told to end. */
export function recorded(epochs: readonly RecordedEpoch[]): Readable {
  const frames = epochs.flatMap(({ info, frames: said, programs = [] }): Frame[] => {
    const frame = (kind: Frame['kind'], text: string): Frame => {
      return { epoch: info.number, kind, bytes: Buffer.from(text), atMs: 0 };
    };
    return [
      frame('begin', JSON.stringify({ programs })),
      ...said.map(({ kind, text }) => frame(kind, text)),
      frame('end', JSON.stringify({ wanted: true, why: '' })),
    ];
  });
  return { epochs: epochs.map(({ info }) => info), damage: null, frames: () => frames };
}
