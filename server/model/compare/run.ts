/** One run as a comparison takes it: what the report says, and the inodes one by one. */
import type { EpochInfo } from '../../protocol/recording.ts';
import type { Report } from '../../protocol/report.ts';
import type { InodeSamples } from './sampler.ts';

export interface RunEpoch {
  readonly info: EpochInfo;
  /** From its first event to its last. */
  readonly seconds: number;
  readonly samples: readonly InodeSamples[];
  /** Whether anything was lost between two times, ns of the epoch. */
  readonly inGap: (from: number, to: number) => boolean;
}

export interface Run {
  readonly file: string;
  /** Why the file could not be read to its end; null when it could. */
  readonly damage: string | null;
  readonly report: Report;
  readonly epochs: readonly RunEpoch[];
}

/** The inodes of one filesystem on one host, of all its epochs. */
export interface Group {
  /** Empty where each run has one host, whatever its name. */
  readonly host: string;
  readonly fs: string;
  readonly parts: readonly { readonly samples: InodeSamples; readonly epoch: RunEpoch }[];
}

/**
 * Names a host in a comparison. One host in each run: these two are compared, whatever
 * they are called. Otherwise hosts of the same name are.
 */
export type HostName = (host: string) => string;

export function hostNames(a: Run, b: Run): HostName {
  const hosts = (run: Run) => new Set(run.epochs.map(({ info }) => info.host)).size;
  return hosts(a) <= 1 && hosts(b) <= 1 ? () => '' : (host) => host;
}

/** By `host fs`. */
export function groupsOf(run: Run, nameOf: HostName): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const epoch of run.epochs) {
    const host = nameOf(epoch.info.host);
    for (const samples of epoch.samples) {
      const key = `${host} ${samples.fs}`;
      const parts = [...(groups.get(key)?.parts ?? []), { samples, epoch }];
      groups.set(key, { host, fs: samples.fs, parts });
    }
  }
  return groups;
}

/** The epochs of a host, by its name in the comparison. */
export function epochsOf(run: Run, nameOf: HostName, host: string): RunEpoch[] {
  return run.epochs.filter(({ info }) => nameOf(info.host) === host);
}
