/** `lastref bpf`: the program that would be attached on a host, to read or to run by hand. */
import { selectHost } from '../host/select.ts';
import { parseFilesystems } from '../tracer/filesystems.ts';
import { prepare, requireBpftrace } from '../tracer/prepare.ts';
import { EXIT } from './exit.ts';

export async function bpf(options: { host: string; fs: string }): Promise<number> {
  const host = selectHost(options.host);
  try {
    await host.open((text) => process.stderr.write(`lastref: ${text}\n`));
    const prepared = await prepare(host, parseFilesystems(options.fs));
    requireBpftrace(host, prepared.facts);
    process.stdout.write(prepared.compile(prepared.plan()).text);
    return EXIT.good;
  } finally {
    await host.close();
  }
}
