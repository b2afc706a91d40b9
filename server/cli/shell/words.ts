/** What a shell may complete, from the command line's own definitions. */
import type { Argument, Command, Option } from 'commander';

/** What the value of an option or an argument is. */
export type Value =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'file' | 'directory' | 'host' | 'command' | 'text' };

export interface OptionWords {
  readonly short: string | null;
  readonly long: string;
  readonly text: string;
  /** Null: it takes none. */
  readonly value: Value | null;
  /** Of its value, as help shows it: `file`. */
  readonly placeholder: string;
}

export interface CommandWords {
  readonly name: string;
  readonly text: string;
  readonly options: readonly OptionWords[];
  readonly args: readonly Value[];
  /** The last of the arguments may come again. */
  readonly variadic: boolean;
}

/** Test hosts that have a name of their own. */
export const HOSTS = ['local', 'vm', 'vm:6.1', 'vm:6.12', 'vm:6.18', 'vm:7'];

export function commandsOf(program: Command): CommandWords[] {
  const help: CommandWords = {
    name: 'help',
    text: 'what a command takes',
    options: [],
    args: [{ kind: 'words', words: program.commands.map((command) => command.name()) }],
    variadic: false,
  };
  return [
    ...program.commands.map((command) => ({
      name: command.name(),
      text: command.description(),
      options: optionsOf(command),
      args: command.registeredArguments.map(valueOfArgument),
      variadic: command.registeredArguments.at(-1)?.variadic ?? false,
    })),
    help,
  ];
}

export function optionsOf(command: Command): OptionWords[] {
  // with --help, which is none of its own options
  return command
    .createHelp()
    .visibleOptions(command)
    .map((option) => ({
      short: option.short ?? null,
      long: option.long!,
      text: option.description,
      value: option.required || option.optional ? valueOfOption(option) : null,
      placeholder: /<(.*)>/.exec(option.flags)?.[1] ?? '',
    }));
}

function valueOfOption({ argChoices, flags }: Option): Value {
  return kindOf(argChoices, /<(.*)>/.exec(flags)?.[1] ?? '');
}

function valueOfArgument(argument: Argument): Value {
  return kindOf(argument.argChoices, argument.name());
}

function kindOf(choices: readonly string[] | undefined, name: string): Value {
  if (choices !== undefined) return { kind: 'words', words: choices };
  switch (name) {
    case 'file':
    case 'out':
    case 'before':
    case 'after':
    case 'path':
      return { kind: 'file' };
    case 'dir':
      return { kind: 'directory' };
    case 'host':
      return { kind: 'host' };
    case 'workload':
    case 'command':
      return { kind: 'command' };
    default:
      return { kind: 'text' };
  }
}
