/** Reads a recording to its end as one run of a comparison. */
import type { Run } from '../model/compare/run.ts';
import { Sampler } from '../model/compare/sampler.ts';
import { Pipeline } from '../tracer/pipeline.ts';
import { makeReport } from '../tracer/report.ts';
import { feed } from '../tracer/tracer.ts';
import type { RecordingReader } from './reader.ts';

/** Ended inodes kept by the model: the sampler takes each when it ends. */
const KEEP = 20_000;

/** The recording as it can be read: RecordingReader, or what was made of a capture. */
export type Recorded = Pick<RecordingReader, 'epochs' | 'frames' | 'damage'>;

/** `file`: what the comparison calls it. */
export function runOf(recorded: Recorded, file: string): Run {
  const pipelines = new Map<number, Pipeline>();
  const samplers = new Map<number, Sampler>();
  for (const { epoch, kind, bytes } of recorded.frames()) {
    let pipeline = pipelines.get(epoch);
    if (pipeline === undefined) {
      const info = recorded.epochs.find(({ number }) => number === epoch);
      if (info === undefined) throw new RangeError(`${file}: epoch ${epoch} is not in its list`);
      pipeline = new Pipeline(info, { keep: KEEP });
      const sampler = new Sampler();
      pipeline.model.inodes.onEnded = (inode) => sampler.ended(inode);
      pipelines.set(epoch, pipeline);
      samplers.set(epoch, sampler);
    }
    feed(pipeline, kind, bytes);
  }
  return {
    file,
    damage: recorded.damage,
    report: makeReport([...pipelines.values()]),
    epochs: [...pipelines].map(([epoch, { info, model }]) => ({
      info,
      seconds: model.now / 1e9,
      samples: samplers.get(epoch)!.finish(),
      inGap: (from, to) => model.gaps.overlaps(from, to),
    })),
  };
}
