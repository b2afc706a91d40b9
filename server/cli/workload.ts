/** The workload of `live`, `record` and `check`: a command on the first host, once it is traced. */
import type { Writable } from 'node:stream';
import { quote } from '../host/agent.ts';
import type { ExitStatus, Host } from '../host/host.ts';
import { CliError, EXIT } from './exit.ts';

/** Exit code of lastref after it; one that was ended is none of its faults. */
export function exitOf(how: ExitStatus | null): number {
  return how === null || how.code === 0 ? EXIT.good : EXIT.workload;
}

/**
 * Runs in a directory of its own on the host, which is removed after it; what it prints
 * goes to `out` and to standard error. When `stopped` resolves first, the workload is
 * ended, and the answer is null.
 */
export async function runWorkload(
  host: Host,
  push: readonly string[],
  workload: readonly string[],
  stopped: Promise<unknown>,
  out: Writable,
): Promise<ExitStatus | null> {
  const made = await host.run('mktemp -d /tmp/lastref-workload.XXXXXX');
  if (made.code !== 0)
    throw new CliError(EXIT.workload, `no directory for the workload: ${made.stderr}`);
  const directory = made.stdout.trim();
  for (const file of push) await host.push(file, directory);
  const command = workload.map(quote).join(' ');
  const child = host.spawn(
    [
      // the workload ends when lastref does: its end of standard input closes
      `exec 3<&0; cd ${quote(directory)} || exit 1`,
      `${command} </dev/null 3<&- & p=$!`,
      '{ cat <&3 >/dev/null; kill $p; } 2>/dev/null & k=$!',
      `exec 3<&-; wait $p; s=$?; kill $k 2>/dev/null; cd /; rm -rf ${quote(directory)}; exit $s`,
    ].join('\n'),
  );
  child.stdout.pipe(out, { end: false });
  child.stderr.pipe(process.stderr, { end: false });
  const how = await Promise.race([child.ended, stopped.then(() => null)]);
  if (how === null) {
    child.stdin.end();
    await Promise.race([child.ended, new Promise((resolve) => setTimeout(resolve, 3000))]);
    child.kill();
    return null;
  }
  process.stderr.write(`lastref: the workload ended with status ${how.code ?? how.signal}\n`);
  return how;
}
