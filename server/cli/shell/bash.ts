/** Completion for bash, 4.2 and newer; needs no bash-completion. */
import { type CommandWords, HOSTS, type OptionWords, type Value } from './words.ts';

export function bash(commands: readonly CommandWords[], options: readonly OptionWords[]): string {
  return `# bash completion of lastref; made by \`lastref completion bash\`
_lastref_values() { # KIND CURRENT
  case $1 in
    file) compgen -f -- "$2" ;;
    directory) compgen -d -- "$2" ;;
    command) compgen -c -f -- "$2" ;;
    host) compgen -W "${HOSTS.join(' ')} $(awk 'tolower($1) == "host" { for (i = 2; i <= NF; i++) if ($i !~ /[*?!]/) print $i }' ~/.ssh/config 2>/dev/null)" -- "$2" ;;
    words) compgen -W "$3" -- "$2" ;;
  esac
}

_lastref() {
  # by blanks alone: a host may be called vm:6.12
  local line=\${COMP_LINE:0:COMP_POINT} words current previous i
  local command='' kind='' choices='' options='' place=0
  read -ra words <<<"$line"
  case $line in *[[:blank:]]) words+=('') ;; esac
  current=\${words[-1]}
  previous=\${words[-2]-}
  case $current in --*=*) previous=\${current%%=*} current=\${current#*=} ;; esac
  for ((i = 1; i < \${#words[@]} - 1; i++)); do
    [ "\${words[i]}" != -- ] || { _lastref_reply "$(_lastref_values command "$current")"; return; }
    if [ -z "$command" ]; then
      case \${words[i]} in -*) ;; *) command=\${words[i]} ;; esac
      continue
    fi
    case $command:\${words[i]} in
${indent(takesValue(commands), 6)}
      *:-*) ;;
      *) place=$((place + 1)) ;;
    esac
  done
  if [ -z "$command" ]; then
    _lastref_reply "$(compgen -W '${[...commands.map(({ name }) => name), ...flagsOf(options)].join(' ')}' -- "$current")"
    return
  fi
  case $command:$previous in
${indent(values(commands), 4)}
  esac
  if [ -z "$kind" ]; then
    case $command in
${indent(options_(commands), 6)}
    esac
    case $command:$place in
${indent(args(commands), 6)}
    esac
    case $current in -*) kind=words choices=$options ;; esac
  fi
  _lastref_reply "$(_lastref_values "$kind" "$current" "$choices")"
}

_lastref_reply() { # bash takes what follows the last : or = for the word
  local IFS=$'\\n' head=
  case $COMP_WORDBREAKS in *:*) head=\${current%"\${current##*:}"} ;; esac
  mapfile -t COMPREPLY <<<"$1"
  [ -n "\${COMPREPLY[0]-}" ] || COMPREPLY=()
  COMPREPLY=("\${COMPREPLY[@]#"$head"}")
}

complete -o filenames -F _lastref lastref
`;
}

/** Which word is the value of the one before, so that it is no argument. */
function takesValue(commands: readonly CommandWords[]): string[] {
  return commands.flatMap(({ name, options }) => {
    const flags = flagsOf(options.filter(({ value }) => value !== null));
    return flags.length === 0
      ? []
      : [`${flags.map((flag) => `${name}:${flag}`).join(' | ')}) i=$((i + 1)) ;;`];
  });
}

function values(commands: readonly CommandWords[]): string[] {
  return commands.flatMap(({ name, options }) =>
    options.flatMap((option) =>
      option.value === null
        ? []
        : [
            `${flagsOf([option])
              .map((flag) => `${name}:${flag}`)
              .join(' | ')}) ${assigned(option.value)} ;;`,
          ],
    ),
  );
}

function options_(commands: readonly CommandWords[]): string[] {
  return commands.map(({ name, options }) => `${name}) options='${flagsOf(options).join(' ')}' ;;`);
}

function args(commands: readonly CommandWords[]): string[] {
  return commands.flatMap(({ name, args, variadic }) =>
    args.map((value, place) => {
      const more = variadic && place === args.length - 1;
      return `${name}:${more ? '*' : place}) ${assigned(value)} ;;`;
    }),
  );
}

function assigned(value: Value): string {
  return value.kind === 'words'
    ? `kind='words' choices='${value.words.join(' ')}'`
    : `kind='${value.kind}'`;
}

function flagsOf(options: readonly OptionWords[]): string[] {
  return options.flatMap(({ short, long }) => (short === null ? [long] : [short, long]));
}

function indent(lines: readonly string[], by: number): string {
  return lines.map((line) => `${' '.repeat(by)}${line}`).join('\n');
}
