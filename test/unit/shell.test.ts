/** Completion and the manual page, as shells and man(1) take them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RELEASED, VERSION } from '../../server/protocol/version.ts';
import { lastref, ROOT } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'lastref-shell-'));
afterAll(() => rmSync(folder, { recursive: true }));
const scripts: Record<string, string> = {};
const files: Record<string, string> = {};
let page = '';
beforeAll(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await lastref(['completion', shell]);
    expect(code).toBe(0);
    scripts[shell] = stdout;
    files[shell] = join(folder, `lastref.${shell}`);
    writeFileSync(files[shell], stdout);
  }
  page = (await lastref(['man'])).stdout;
  files.man = join(folder, 'lastref.1');
  writeFileSync(files.man, page);
}, 120_000);

function has(command: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** What a real bash offers after these words. */
function offered(line: string): string[] {
  const script = `source "$0"; COMP_LINE=$1 COMP_POINT=\${#1}; _lastref; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const options = { cwd: ROOT, encoding: 'utf8' as const, env: { ...process.env, HOME: folder } };
  const args = ['--norc', '-c', script, files.bash!, line];
  return execFileSync('bash', args, options).split('\n').filter(Boolean);
}

describe('completion in bash', () => {
  it.each([
    ['lastref rep', ['report', 'replay']],
    ['lastref check --fo', ['--format']],
    ['lastref check --format ', ['ktap', 'junit', 'json']],
    ['lastref live --detail=l', ['lifecycle']],
    ['lastref vm --kernel 6.1 ', ['up', 'down', 'status', 'ssh']],
    ['lastref doctor --host l', ['local']],
    ['lastref replay samp', ['samples']],
    ['lastref export x.lastref --table po', ['pool']],
    ['lastref completion f', ['fish']],
    ['lastref help comp', ['compare', 'completion']],
    ['lastref --vers', ['--version']],
    ['lastref check -- mkdi', ['mkdir']],
    ['lastref nonsense --f', []],
  ])('%s', (line, words) => {
    expect([...new Set(offered(line))]).toEqual(words);
  });

  it('offers the guests after the colon, at which bash cuts words', () => {
    expect(offered('lastref live --host vm:6.')).toEqual(['6.1', '6.12', '6.18']);
  });

  it('offers the hosts of ssh_config, but no patterns', () => {
    execFileSync('mkdir', ['-p', join(folder, '.ssh')]);
    writeFileSync(join(folder, '.ssh/config'), 'Host lab1 lab2\nHost lab*\n  User root\n');
    expect(offered('lastref live --host lab')).toEqual(['lab1', 'lab2']);
  });

  it('answers the Tab key of somebody who types', () => {
    const type = `
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp('bash', ['bash', '--norc', '--noprofile', '-i'])
def until(text):
    out, end = '', time.time() + 60
    while text not in out and time.time() < end:
        if select.select([fd], [], [], 1)[0]: out += os.read(fd, 4096).decode()
    assert text in out, out
os.write(fd, b'source ${files.bash}; echo rea"dy"\\n')
until('ready')
os.write(fd, b'lastref doc\\t')
until('lastref doctor ')
os.write(fd, b'--host vm:6.18\\t --js\\t')
until('--json')
`;
    execFileSync('python3', ['-c', type], { timeout: 120_000 });
  });
});

describe('every shell', () => {
  it('knows every command and every option', async () => {
    const { stdout: help } = await lastref(['--help']);
    const commands = [...help.matchAll(/^ {2}([a-z]+)\b.*/gm)].map((match) => match[1]!);
    expect(commands).toContain('compare');
    const names = commands.filter((name) => name !== 'help');
    const helps = await Promise.all(names.map((name) => lastref([name, '--help'])));
    for (const [i, { stdout }] of helps.entries()) {
      const command = names[i];
      const options = [...stdout.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)].map(
        (match) => match[1]!,
      );
      expect(options).toContain('help');
      for (const option of options) {
        expect(scripts.bash).toMatch(new RegExp(`${command}\\) options='[^']*--${option}[ ']`));
        expect(scripts.zsh).toContain(`*--${option}[`);
        expect(scripts.fish).toContain(`-l ${option}`);
        expect(page).toContain(`\\-\\-${option.replaceAll('-', '\\-')}`);
      }
    }
  });

  it.each(['bash', 'zsh', 'fish'].filter(has))('%s finds no error in it', (shell) => {
    expect(execFileSync(shell, ['-n', files[shell]!], { encoding: 'utf8' })).toBe('');
  });
});

describe('the manual page', () => {
  it.runIf(has('man') && has('groff'))('is rendered without a warning', () => {
    const script = 'LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l "$0" 2>&1';
    const text = execFileSync('sh', ['-c', script, files.man!], { encoding: 'utf8' });
    expect(text).not.toMatch(/warning|error|can't/i);
    expect(text).toContain('--host <host>');
    expect(text).toMatch(/^EXIT STATUS$/m);
  });

  it.runIf(has('mandoc'))('is one to mandoc as well', () => {
    expect(execFileSync('mandoc', ['-Tlint', files.man!], { encoding: 'utf8' })).toBe('');
  });

  it('has no line that roff takes for a request by mistake', () => {
    for (const line of page.split('\n')) {
      expect(line).toMatch(/^(\.(TH|SH|SS|TP|B|I|RI|BR) |\.TP$|[^.'])|^$/);
      if (!line.startsWith('.')) expect(line.length).toBeLessThanOrEqual(80);
    }
  });

  it('is of the version that the changelog begins with', () => {
    const first = /^## (.*)$/m.exec(readFileSync(`${ROOT}CHANGELOG.md`, 'utf8'))![1];
    expect(first).toBe(`${VERSION} (${RELEASED})`);
    expect(page).toContain(`.TH LASTREF 1 ${RELEASED} "lastref ${VERSION}"`);
  });
});
