/** Runs a command on this machine, on behalf of a host: the one place that uses execa. */
import { execa } from 'execa';
import type { HostProcess, RunOptions, RunResult } from './host.ts';

/** Runs to the end; a missing program is exit code 127, as a shell has it. */
export async function runCommand(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const result = await execa(file, args, {
    reject: false,
    timeout: options.timeoutMs ?? 60_000,
    killSignal: 'SIGKILL',
    stripFinalNewline: false,
    maxBuffer: 64 * 1024 * 1024,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
  });
  const missing = result.code === 'ENOENT';
  return {
    code: missing ? 127 : (result.exitCode ?? null),
    stdout: result.stdout ?? '',
    stderr: missing ? `${file}: not found` : (result.stderr ?? ''),
    timedOut: result.timedOut,
  };
}

/** Starts with the streams open. */
export function spawnCommand(file: string, args: readonly string[]): HostProcess {
  const child = execa(file, args, {
    reject: false,
    buffer: false,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
    killSignal: 'SIGKILL',
  });
  child.stdin.on('error', () => {}); // EPIPE: the process is gone, which `ended` tells
  let killedByUs = false;
  // kept here: once it is killed by us as well, execa tells of that
  let signalFromOutside: string | null = null;
  const exited = new Promise<void>((resolve) => {
    child.nodeChildProcess.once('exit', (_code, signal) => {
      if (!killedByUs) signalFromOutside = signal;
      resolve();
    });
  });
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    exited,
    ended: child.then((result) => ({ code: result.exitCode ?? null, signal: signalFromOutside })),
    kill: () => {
      killedByUs = true;
      child.kill('SIGKILL');
      // what it started may live on and hold them open: its end is not theirs
      child.stdout.destroy();
      child.stderr.destroy();
    },
  };
}
