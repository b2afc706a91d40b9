/** `lastref bpf`: the program that would be attached on a host, to read or to run by hand. */
import { selectHost } from '../host/select.ts';
import { mapKeys, mapKeysVariable } from '../tracer/map-keys.ts';
import { prepare, requireBpftrace } from '../tracer/prepare.ts';
import { EXIT } from './exit.ts';
import { type TraceFlags, traceOptions } from './trace-options.ts';

export async function bpf(options: TraceFlags & { host: string; track: number }): Promise<number> {
  const host = selectHost(options.host);
  try {
    await host.open((text) => process.stderr.write(`lastref: ${text}\n`));
    const prepared = await prepare(host, traceOptions(options));
    requireBpftrace(host, prepared.facts, options.bpftrace);
    const programs = prepared.compile(prepared.plan());
    const chosen = programs[options.track];
    if (chosen === undefined) {
      throw new RangeError(
        `--track: this host needs ${programs.length} program(s), numbered from 0`,
      );
    }
    const { facts } = prepared;
    process.stderr.write(`lastref: run it with ${mapKeysVariable(facts)}=${mapKeys(facts)}\n`);
    process.stdout.write(chosen.text);
    return EXIT.good;
  } finally {
    await host.close();
  }
}
