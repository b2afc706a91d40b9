/** What each second added to the latencies of the model: percentiles, and the cells of a heatmap. */
import type { Histogram } from '../model/histogram.ts';
import { CELLS_PER_OCTAVE } from '../protocol/series.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import { mergedHistogram } from './together.ts';

/** Of one pair of stages in one second, ns. */
export interface SecondOfPair {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  /** Cell and count by turns. */
  readonly cells: readonly number[];
}

export class LatencyHistory {
  /** The distributions as they were a second ago. */
  readonly #before = new Map<string, Histogram>();

  /** By `pair host fs`; what nothing was added to is left out. */
  second(pipelines: readonly Pipeline[]): Map<string, SecondOfPair> {
    const out = new Map<string, SecondOfPair>();
    pipelines.forEach((pipeline, epoch) => {
      for (const [key, histogram] of pipeline.model.inodes.filesystems.latencies) {
        const [pair, fs] = key.split(' ') as [string, string];
        this.#add(out, `${epoch} ${key}`, `${pair} ${pipeline.info.host} ${fs}`, histogram);
      }
    });
    return out;
  }

  /** Of all hosts together, by `pair  fs`. */
  secondOfAll(pipelines: readonly Pipeline[]): Map<string, SecondOfPair> {
    const all = new Map<string, Histogram[]>();
    for (const { model } of pipelines) {
      for (const [key, histogram] of model.inodes.filesystems.latencies) {
        const same = all.get(key);
        if (same === undefined) all.set(key, [histogram]);
        else same.push(histogram);
      }
    }
    const out = new Map<string, SecondOfPair>();
    for (const [key, same] of all) {
      this.#add(out, key, key.replace(' ', '  '), mergedHistogram(same));
    }
    return out;
  }

  #add(out: Map<string, SecondOfPair>, of: string, key: string, histogram: Histogram): void {
    const before = this.#before.get(of);
    if (before !== undefined && before.count === histogram.count) return;
    const more = histogram.since(before);
    this.#before.set(of, histogram.copy());
    out.set(key, {
      p50: more.quantile(0.5),
      p90: more.quantile(0.9),
      p99: more.quantile(0.99),
      cells: more.cells(CELLS_PER_OCTAVE),
    });
  }
}
