/** The bundled guests, for tests: commands in them, files to them. */
import { readFileSync } from 'node:fs';
import { kernelOfName, VmHost, vmStatus } from '../../server/host/vm.ts';
import { runFiles } from '../../server/host/vm-run.ts';
import { workload } from './cli.ts';

/** What a kernel says on its console when it is no longer to be trusted. */
const LAST_WORDS =
  /Kernel panic|BUG: |Oops: |general protection fault|Unrecoverable kprobe|rcu: .*stall/;

export class Guest {
  readonly host: VmHost;

  constructor(name = 'vm') {
    this.host = new VmHost(name);
  }

  static async up(name = 'vm'): Promise<Guest> {
    const guest = new Guest(name);
    await guest.host.open((text) => process.stderr.write(`  ${text}\n`));
    return guest;
  }

  /** Runs a shell script in the guest; throws when it fails. */
  async sh(script: string): Promise<string> {
    const answer = await this.host.run(script, { timeoutMs: 120_000 });
    if (answer.code !== 0) throw new Error(`${script}: ${answer.code} ${answer.stderr}`);
    return answer.stdout;
  }

  /** Pushes a workload of test/workloads, or a scenario; returns its path in the guest. */
  async push(name: string): Promise<string> {
    // one that still runs cannot be written over
    await this.sh(`rm -f /var/tmp/${name}`);
    return this.host.push(workload(name), '/var/tmp');
  }

  /** How the guest's kernel died, in its own words; null while it lives. */
  async death(): Promise<string | null> {
    const kernel = kernelOfName(this.host.name)!;
    let console = '';
    try {
      console = readFileSync(runFiles(kernel).console, 'latin1');
    } catch {
      // a guest that was ended has no console any more
    }
    const words = console.split('\n').find((line) => LAST_WORDS.test(line));
    if (words !== undefined) return words.replaceAll(/[^\x20-\x7e]/g, '').trim();
    const runs = (await vmStatus()).some((guest) => guest.kernel === kernel);
    return runs ? null : 'the guest is gone';
  }
}
