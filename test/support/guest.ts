/** The bundled guest, for tests: commands in it, files to it. */
import { VmHost } from '../../server/host/vm.ts';
import { workload } from './cli.ts';

export class Guest {
  readonly host = new VmHost('vm');

  static async up(): Promise<Guest> {
    const guest = new Guest();
    await guest.host.open((text) => process.stderr.write(`  ${text}\n`));
    return guest;
  }

  /** Runs a shell script in the guest; throws when it fails. */
  async sh(script: string): Promise<string> {
    const answer = await this.host.run(script, { timeoutMs: 120_000 });
    if (answer.code !== 0) throw new Error(`${script}: ${answer.code} ${answer.stderr}`);
    return answer.stdout;
  }

  /** Pushes a workload of test/workloads; returns its path in the guest. */
  async push(name: string): Promise<string> {
    return this.host.push(workload(name), '/var/tmp');
  }
}
