/** How a command ends: exit codes of the interface, and errors on one screen. */
import { HostError } from '../host/host.ts';
import { BrokerError } from '../nats/broker.ts';

export const EXIT = {
  good: 0,
  /** A leak or a broken contract. */
  found: 1,
  /** Bad usage or unreadable input. */
  usage: 2,
  /** Tracing could not run, or died. */
  tracing: 3,
  /** The workload itself failed. */
  workload: 4,
} as const;

/** An error with its exit code; printed without a stack. */
export class CliError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.name = 'CliError';
    this.code = code;
  }
}

/** Prints what went wrong and what to do; gives the exit code. */
export function explain(error: unknown): number {
  if (error instanceof HostError) {
    say(error.message, error.hint);
    return EXIT.tracing;
  }
  if (error instanceof BrokerError) {
    say(error.message, error.hint);
    return error.kind === 'usage' ? EXIT.usage : EXIT.tracing;
  }
  if (error instanceof CliError) {
    say(error.message, '');
    return error.code;
  }
  if (error instanceof RangeError) {
    say(error.message, '');
    return EXIT.usage;
  }
  say(
    error instanceof Error ? (error.stack ?? error.message) : String(error),
    'This is a bug in lastref.',
  );
  return EXIT.tracing;
}

function say(message: string, hint: string): void {
  process.stderr.write(`lastref: ${message}\n${hint === '' ? '' : `${hint}\n`}`);
}
