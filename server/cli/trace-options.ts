/** The options of every command that traces. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_FILESYSTEMS, parseFilesystems } from '../tracer/filesystems.ts';
import { DETAILS, type Detail } from '../tracer/plan.ts';
import type { TraceOptions } from '../tracer/prepare.ts';
import { FAMILIES, type Family } from '../tracer/programs.ts';

/** As commander gives them. */
export interface TraceFlags {
  readonly fs: string;
  readonly detail: Detail;
  readonly stepsBelow: number;
  readonly family: readonly Family[];
  readonly bpftrace: string;
}

/** Inodes a second that `auto` tells step by step: about 50,000 lines a second. */
const STEPS_BELOW = 5000;

export function withTraceOptions(command: Command): Command {
  return command
    .option('--fs <list>', 'filesystems, by comma', DEFAULT_FILESYSTEMS.join(','))
    .addOption(
      new Option(
        '--detail <level>',
        'steps: each stage at once; lifecycle: one line when an inode ends; auto: steps while the rate allows',
      )
        .choices(DETAILS)
        .default('auto'),
    )
    .option(
      '--steps-below <rate>',
      'inodes a second up to which auto shows steps',
      rate,
      STEPS_BELOW,
    )
    .option('--family <list>', 'kinds of probes that may be used, by comma', families, [
      ...FAMILIES,
    ])
    .option('--bpftrace <path>', 'the bpftrace to run on the host', 'bpftrace');
}

export function traceOptions(flags: TraceFlags): TraceOptions {
  return {
    fs: parseFilesystems(flags.fs),
    detail: flags.detail,
    stepsBelow: flags.stepsBelow,
    families: flags.family,
    bpftrace: flags.bpftrace,
  };
}

function rate(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('expected inodes a second');
  return Number(text);
}

function families(text: string): Family[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !FAMILIES.includes(name as Family));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(`known are ${FAMILIES.join(', ')}`);
  }
  return names as Family[];
}
