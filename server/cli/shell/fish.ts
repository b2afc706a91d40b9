/** Completion for fish. */
import { type CommandWords, HOSTS, type OptionWords, type Value } from './words.ts';

export function fish(commands: readonly CommandWords[], options: readonly OptionWords[]): string {
  const lines = [
    '# fish completion of lastref; made by `lastref completion fish`',
    'complete -c lastref -f',
    ...options.map((option) => complete('-n __fish_use_subcommand', option)),
    ...commands.map(
      ({ name, text }) =>
        `complete -c lastref -n __fish_use_subcommand -a ${name} -d ${quoted(text)}`,
    ),
  ];
  for (const { name, options, args } of commands) {
    const here = `-n '__fish_seen_subcommand_from ${name}'`;
    for (const option of options) lines.push(complete(here, option));
    // those after the first are of the same kind, or a command of one's own
    const given = args[0] === undefined ? '' : argument(args[0]);
    if (given !== '') lines.push(`complete -c lastref ${here} ${given}`);
  }
  return `${lines.join('\n')}\n`;
}

function complete(where: string, { short, long, text, value }: OptionWords): string {
  const flags = `${short === null ? '' : `-s ${short.slice(1)} `}-l ${long.slice(2)}`;
  // -x: nothing but this; -r: a file
  const takes =
    value === null ? '' : ` ${value.kind === 'file' ? '-r' : '-x'} ${argument(value)}`.trimEnd();
  return `complete -c lastref ${where} ${flags}${takes} -d ${quoted(text)}`;
}

function argument(value: Value): string {
  switch (value.kind) {
    case 'words':
      return `-a ${quoted(value.words.join(' '))}`;
    case 'host':
      return `-a ${quoted(`${HOSTS.join(' ')} (__fish_print_hostnames)`)}`;
    case 'directory':
      return "-a '(__fish_complete_directories)'";
    case 'file':
    case 'command':
      return '-F';
    case 'text':
      return '';
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, (c) => `\\${c}`)}'`;
}
