/**
 * A test host: the machine whose kernel is traced. Three kinds implement this
 * interface: the machine lastref runs on (`local`), anything the OpenSSH client
 * reaches (`ssh`), and the bundled QEMU guest (`vm`, which is an ssh host that
 * lastref boots itself).
 */
import type { Readable, Writable } from 'node:stream';

/** What a finished command said. Never thrown: a non-zero exit is an answer. */
export interface RunResult {
  /** Exit code; null when the command died of a signal or was timed out. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/** How a command ended that ran with its streams open. */
export interface ExitStatus {
  readonly code: number | null;
  /** What ended it from outside: null where it ended by itself, or by kill(). */
  readonly signal: string | null;
}

/** A running command on the host. Closing `stdin` or killing it is up to the caller. */
export interface HostProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the process (for ssh: the client) has ended. What it started may live on. */
  readonly exited: Promise<void>;
  /** Resolves once, when it has ended and nobody holds its streams open. Never rejects. */
  readonly ended: Promise<ExitStatus>;
  /** Ends the local side at once; the far side notices by its closed streams. */
  kill(): void;
}

export interface CommandOptions {
  /** Run as root: as it stands when already root there, else through `sudo -n`. */
  readonly root?: boolean;
}

export interface RunOptions extends CommandOptions {
  /** Written to the command's standard input, which is then closed. */
  readonly input?: string | Uint8Array;
  /** Default 60 s: an ssh handshake with an emulated guest alone may take 10 s. */
  readonly timeoutMs?: number;
}

export interface Host {
  /** The name the user gave it: `local`, `vm`, `vm:6.12`, `root@box`. */
  readonly name: string;
  /** Makes the host reachable (boots a guest, opens the master connection). Throws HostError. */
  open(progress: (text: string) => void): Promise<void>;
  /** Runs a POSIX shell script to its end. Throws HostError only when the host cannot be reached. */
  run(script: string, options?: RunOptions): Promise<RunResult>;
  /** Starts a shell script with its streams open. */
  spawn(script: string, options?: CommandOptions): HostProcess;
  /** Copies a local file, keeping its mode, into a directory of the host. Returns its path there. */
  push(localFile: string, directory: string): Promise<string>;
  /** Ends what `open` started, except a guest: that is kept for the next session. */
  close(): Promise<void>;
}

/** What stands between the user and the host, on one screen: what, where, what to do. */
export class HostError extends Error {
  readonly host: string;
  readonly hint: string;
  constructor(host: string, message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'HostError';
    this.host = host;
    this.hint = hint;
  }
}
