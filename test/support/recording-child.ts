/**
 * Records a real recording over and over, as fast as it can, until it is killed:
 * node recording-child.ts FROM TO [once]; once: and then no more, as a quiet host. Says `MILLISECONDS FRAMES` for what it has given to the
 * recorder by then.
 */
import { writeSync } from 'node:fs';
import { Recorder } from '../../server/recording/recorder.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { feed } from '../../server/tracer/tracer.ts';
import { framesOf } from '../fixtures/recordings.ts';

/** Frames between two turns of the event loop: a few milliseconds. */
const TURN = 20;

const [from, to, once] = process.argv.slice(2) as [string, string, string?];
const { epochs, frames } = framesOf(from);
const pipeline = new Pipeline(epochs[0]!, {
  keep: 1000,
  onEnd: (of, inode) => recorder.ended(of, inode),
});
const recorder: Recorder = new Recorder({
  file: to,
  pipelines: () => [pipeline],
  say: (text) => writeSync(2, `${text}\n`),
});
recorder.epoch(pipeline);

let given = 0;
function turn(): void {
  for (let i = 0; i < TURN; i++) {
    const { kind, bytes } = frames[given++ % frames.length]!;
    recorder.frame(pipeline.info, kind, bytes);
    // the pipeline sees it once: the times of a second round would go back
    if (given <= frames.length) feed(pipeline, kind, bytes);
  }
  writeSync(1, `${Date.now()} ${given}\n`);
  if (once === 'once' && given >= frames.length) setInterval(() => {}, 1000);
  else setImmediate(turn);
}
turn();
