/** The workload of `live` and `record`: a command on the first host, once it is traced. */
import { quote } from '../host/agent.ts';
import type { Host } from '../host/host.ts';
import { CliError, EXIT } from './exit.ts';

/**
 * Runs in a directory of its own on the host, which is removed after it. Resolves to the
 * exit code of lastref; when `stopped` resolves first, the workload is ended.
 */
export async function runWorkload(
  host: Host,
  push: readonly string[],
  workload: readonly string[],
  stopped: Promise<unknown>,
): Promise<number> {
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
  child.stdout.pipe(process.stdout, { end: false });
  child.stderr.pipe(process.stderr, { end: false });
  const how = await Promise.race([child.ended, stopped.then(() => null)]);
  if (how === null) {
    child.stdin.end();
    await Promise.race([child.ended, new Promise((resolve) => setTimeout(resolve, 3000))]);
    child.kill();
    return EXIT.good;
  }
  process.stderr.write(`lastref: the workload ended with status ${how.code ?? how.signal}\n`);
  return how.code === 0 ? EXIT.good : EXIT.workload;
}
