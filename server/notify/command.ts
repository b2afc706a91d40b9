/**
 * Runs a program with the notification on its standard input. No shell takes part. The
 * exit status 0 means that it has it. What it started is ended with it when its time is up.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { plain } from '../protocol/plain.ts';
import type { Answer, Sink } from './sink.ts';

export interface CommandOptions {
  readonly command: readonly string[];
  readonly timeout: number;
}

export function command({ command: argv, timeout }: CommandOptions): Sink {
  const [program, ...args] = argv as [string, ...string[]];
  return {
    kind: 'command',
    target: program,
    send: ({ key, ...rest }, signal) =>
      new Promise((resolve) => {
        const child = spawn(program, args, {
          stdio: ['pipe', 'ignore', 'pipe'],
          env: { ...process.env, LASTREF_KEY: key, LASTREF_STATUS: rest.status },
          detached: true, // a process group of its own, so that all of it can be ended
        });
        let errors = '';
        let late = false;
        const end = () => kill(child);
        const timer = setTimeout(() => {
          late = true;
          end();
        }, timeout / 1e6);
        const done = (answer: Answer) => {
          clearTimeout(timer);
          signal.removeEventListener('abort', end);
          resolve(answer);
        };
        signal.addEventListener('abort', end);
        child.on('error', (error) => done({ kind: 'failed', why: error.message }));
        child.on('exit', (code, by) => {
          if (code === 0) return done({ kind: 'taken' });
          const how = late
            ? `it took longer than ${timeout / 1e9} s`
            : code === null
              ? `it was ended by ${by}`
              : `exit status ${code}`;
          const last = plain(errors.trim().split('\n').at(-1)!.slice(0, 200));
          done({ kind: 'failed', why: last === '' ? how : `${how}: ${last}` });
        });
        child.stderr.on('data', (text) => {
          errors = `${errors}${text}`.slice(-2000);
        });
        child.stdin.on('error', () => {}); // it need not read
        child.stdin.end(`${JSON.stringify({ key, ...rest })}\n`);
      }),
  };
}

function kill(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // it has just ended
  }
}
