/**
 * The directory that outlives lastref: spools and silences. One lastref at a time may use
 * it; two that each believe they alone tell the sinks would tell them twice.
 */
import { chmodSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Another lastref uses the directory, or this user cannot. */
export class StateDirError extends RangeError {
  constructor(directory: string, what: string) {
    super(
      `${directory}: ${what}\nGive this lastref a directory of its own: --state DIR, or state_dir in the config file.`,
    );
    this.name = 'StateDirError';
  }
}

/** `~/.local/state/lastref`, or under $XDG_STATE_HOME. */
export function defaultStateDir(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.XDG_STATE_HOME || join(homedir(), '.local/state'), 'lastref');
}

export class StateDir {
  readonly path: string;
  readonly #lock: DatabaseSync;

  /** Throws StateDirError. */
  constructor(path: string) {
    this.path = path;
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      // SQLite's lock on a file: the kernel gives it back however the process ends
      this.#lock = new DatabaseSync(join(path, 'lock'), { timeout: 0 });
      this.#lock.exec('BEGIN EXCLUSIVE');
      chmodSync(join(path, 'lock'), 0o600);
    } catch (error) {
      const { message } = error as Error;
      throw new StateDirError(
        path,
        message.includes('locked') ? 'another lastref sends its notifications from here' : message,
      );
    }
  }

  close(): void {
    this.#lock.close();
  }
}
