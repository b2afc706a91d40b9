/** `lastref man`: the manual page, from the command line's own definitions (man-pages(7)). */
import type { Command } from 'commander';
import { RELEASED, VERSION } from '../../protocol/version.ts';
import { EXIT } from '../exit.ts';

const EXITS: Readonly<Record<keyof typeof EXIT, string>> = {
  good: 'Good.',
  found: 'check found a leak or a broken contract, or compare --fail-on-change a difference.',
  usage: 'Bad usage, or unreadable input.',
  tracing: 'Tracing could not run, or died.',
  workload: 'The workload itself failed.',
};

const FILES: readonly (readonly [string, string])[] = [
  ['~/.config/lastref/config.yaml', 'Alerts: thresholds, rules, silences, who is told.'],
  ['~/.local/state/lastref', 'Notifications that wait, silences, recordings of alerts.'],
  ['~/.cache/lastref/vm', 'Images of the bundled guests. May be deleted.'],
];

const EXAMPLES: readonly (readonly [string, string])[] = [
  [
    'lastref live --host root@box -- ./my_test',
    'Watch it in the browser while my_test runs there.',
  ],
  [
    'lastref check --host vm --push ./my_test -- ./my_test',
    'For CI: KTAP, and exit status 1 on a leak.',
  ],
  ['lastref doctor --host root@box', 'What can be seen there, how, and why not.'],
];

export function manPage(program: Command): string {
  const help = program.createHelp();
  const lines = [
    `.TH LASTREF 1 ${RELEASED} "lastref ${VERSION}" "User Commands"`,
    '.SH NAME',
    'lastref \\- see how Linux tears down inodes and gives hugepages back',
    '.SH SYNOPSIS',
    '.B lastref',
    '.I command',
    '.RI [ options ]',
    '.SH DESCRIPTION',
    text(`${program.description()}.`),
    text(
      'A host is local (this machine), vm or vm:KERNEL (a bundled QEMU guest), or anything that ssh(1) accepts. It needs bpftrace(8), and root or sudo without a password.',
    ),
    '.SH COMMANDS',
  ];
  for (const command of program.commands) {
    const usage = help.commandUsage(command).replace(/^lastref /, '');
    lines.push(`.SS ${words(usage)}`, text(`${capital(command.description())}.`));
    for (const option of help.visibleOptions(command)) {
      lines.push(
        '.TP',
        `.B ${words(option.flags)}`,
        text(`${capital(help.optionDescription(option).replace(' (default: false)', ''))}.`),
      );
    }
  }
  lines.push('.SH EXIT STATUS');
  for (const [name, code] of Object.entries(EXIT)) {
    lines.push('.TP', `.B ${code}`, text(EXITS[name as keyof typeof EXIT]));
  }
  lines.push('.SH FILES');
  for (const [file, what] of FILES) lines.push('.TP', `.I ${words(file)}`, text(what));
  lines.push('.SH EXAMPLES');
  for (const [command, what] of EXAMPLES) lines.push('.TP', `.B ${words(command)}`, text(what));
  lines.push('.SH SEE ALSO', '.BR bpftrace (8),', '.BR ssh (1)');
  return `${lines.join('\n')}\n`;
}

/** As roff takes it for text, in lines of at most 80 bytes. */
function text(plain: string): string {
  let line = 0;
  return words(plain)
    .split(' ')
    .map((word, i) => {
      const fits = line + 1 + word.length <= 72;
      const before = i === 0 ? '' : fits || line === 0 ? ' ' : '\n';
      line = before === '\n' ? word.length : line + before.length + word.length;
      return before + word;
    })
    .join('');
}

/** No hyphen for a minus, no request at the beginning of a line. */
function words(plain: string): string {
  return plain
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('~', '\\(ti')
    .replaceAll("'", '\\(aq')
    .replaceAll('"', '\\(dq')
    .replaceAll(/(^| )\./g, '$1\\&.');
}

function capital(sentence: string): string {
  // of `steps: each stage at once` the word is what is typed
  if (/^\w+: /.test(sentence)) return sentence;
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
