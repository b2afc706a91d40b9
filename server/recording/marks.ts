/** What a time bar marks, from the pipelines of a scan. */
import type { ReplayMarks } from '../protocol/replay.ts';
import type { Pipeline } from '../tracer/pipeline.ts';

/** Alerts that are marked; those beyond are too many to tell apart. */
const MAX_ALERTS = 2000;

export class Marks {
  readonly #alerts: ReplayMarks['alerts'][number][] = [];
  readonly #known = new Set<string>();
  /** By epoch: the clock of who recorded less that of the host, ms. The least lag tells best. */
  readonly #skew = new Map<number, number>();

  /** `ms`: time of the recording at which these pipelines are. */
  saw(pipelines: readonly Pipeline[], ms: number): void {
    for (const pipeline of pipelines) {
      const wall = pipeline.wallMs(pipeline.model.now);
      const { number } = pipeline.info;
      if (wall > 0) {
        this.#skew.set(number, Math.min(ms - wall, this.#skew.get(number) ?? ms - wall));
      }
    }
  }

  /** An alert fired at this time of the recording. */
  fired(pipelines: readonly Pipeline[], ms: number): void {
    for (const pipeline of pipelines) {
      for (const { fingerprint, fired_ns, labels, annotations, leak } of pipeline.alerts.list()) {
        const key = `${pipeline.info.number} ${fingerprint} ${fired_ns}`;
        if (fired_ns === null || this.#known.has(key) || this.#alerts.length >= MAX_ALERTS)
          continue;
        this.#known.add(key);
        this.#alerts.push({
          at_ms: ms,
          title: labels.alertname ?? leak.kind,
          text: annotations.summary ?? leak.text,
          certain: leak.verdict === 'certain',
        });
      }
    }
  }

  list(pipelines: readonly Pipeline[]): Pick<ReplayMarks, 'gaps' | 'alerts'> {
    const gaps = pipelines.flatMap((pipeline) => {
      const skew = this.#skew.get(pipeline.info.number) ?? 0;
      const { now } = pipeline.model;
      return pipeline.model.gaps.list.map(({ from, to, lost, where }) => ({
        host: pipeline.info.host,
        from_ms: pipeline.wallMs(from) + skew,
        to_ms: pipeline.wallMs(Math.min(to, Math.max(now, from))) + skew,
        lost,
        where,
      }));
    });
    return { gaps, alerts: this.#alerts };
  }
}
