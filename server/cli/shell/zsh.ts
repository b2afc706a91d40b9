/** Completion for zsh: a file `_lastref` in a directory of $fpath. */
import { type CommandWords, HOSTS, type OptionWords, type Value } from './words.ts';

export function zsh(commands: readonly CommandWords[], options: readonly OptionWords[]): string {
  const named = commands.map(({ name, text }) => `    ${quoted(`${name}:${text}`)}`);
  const each = commands.map(
    ({ name, options, args, variadic }) =>
      `    ${name}) _arguments -s \\\n      ${[
        ...options.map(optionSpec),
        ...args.map((value, i) =>
          quoted(
            `${variadic && i === args.length - 1 ? '*' : i + 1}:${value.kind}:${action(value)}`,
          ),
        ),
      ].join(' \\\n      ')} ;;`,
  );
  return `#compdef lastref
# zsh completion of lastref; made by \`lastref completion zsh\`
_lastref_hosts() {
  compadd -- ${HOSTS.join(' ')}
  _ssh_hosts
}

_lastref() {
  local context state line
  local -a commands=(
${named.join('\n')}
  )
  _arguments -C ${options.map(optionSpec).join(' ')} '1: :->command' '*:: :->rest'
  case $state in
    command) _describe command commands; return ;;
  esac
  case $words[1] in
${each.join('\n')}
  esac
}

if [ "$funcstack[1]" = _lastref ]; then
  _lastref "$@"
else
  compdef _lastref lastref
fi
`;
}

function optionSpec({ short, long, text, value, placeholder }: OptionWords): string {
  const about = text.replaceAll(/[[\]:\\]/g, (c) => `\\${c}`);
  const takes = value === null ? '' : `:${placeholder}:${action(value)}`;
  const long_ = quoted(`*${long}[${about}]${takes}`);
  return short === null ? long_ : `${quoted(`*${short}[${about}]${takes}`)} ${long_}`;
}

function action(value: Value): string {
  switch (value.kind) {
    case 'words':
      return `(${value.words.join(' ')})`;
    case 'file':
      return '_files';
    case 'directory':
      return '_files -/';
    case 'host':
      return '_lastref_hosts';
    case 'command':
      return '_normal';
    case 'text':
      return ' ';
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
