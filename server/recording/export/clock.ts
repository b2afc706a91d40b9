/**
 * Times of several epochs on one axis: CLOCK_BOOTTIME of the first one, in ns. An epoch
 * of another boot or host is put where its wall clock says; within one boot the clock
 * itself does.
 */
import type { Pipeline } from '../../tracer/pipeline.ts';

export class ExportClock {
  readonly #zeros = new Map<Pipeline, bigint>();
  #base: { readonly pipeline: Pipeline; readonly wallMs: number } | null = null;

  at(pipeline: Pipeline, ts: number): bigint {
    let zero = this.#zeros.get(pipeline);
    if (zero === undefined) {
      zero = this.#zeroOf(pipeline);
      this.#zeros.set(pipeline, zero);
    }
    const time = zero + BigInt(Math.round(ts));
    return time < 0n ? 0n : time;
  }

  /** Wall clock at time 0 of the epoch, in ns since 1970; null when the host did not tell it. */
  wallNs(pipeline: Pipeline): bigint | null {
    const ms = pipeline.wallMs(0);
    return ms === 0 ? null : BigInt(Math.round(ms * 1000)) * 1000n;
  }

  #zeroOf(pipeline: Pipeline): bigint {
    const origin = pipeline.origin ?? 0n;
    const wallMs = pipeline.wallMs(0) || pipeline.info.started_ms;
    this.#base ??= { pipeline, wallMs };
    const base = this.#base;
    if (base.pipeline.info.boot_id === pipeline.info.boot_id) return origin;
    const apart = BigInt(Math.round((wallMs - base.wallMs) * 1000)) * 1000n;
    return (base.pipeline.origin ?? 0n) + apart;
  }
}
