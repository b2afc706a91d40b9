/**
 * Makes dist/, which is what the npm package holds: JavaScript, since Node strips no types
 * below node_modules, in the same places as here, so that every path in the code is right.
 * `npm pack` runs it.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const dist = `${root}/dist`;

/** What the code reads beside itself. */
const FILES = ['dashboard/dist', 'bpf', 'scripts/vm', 'samples', 'LICENSE'];

function run(program: string, ...args: string[]): string {
  // npm wants its standard output for itself
  return execFileSync(program, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 2] });
}

rmSync(dist, { recursive: true, force: true });
run('npx', 'tsc', '-p', 'tsconfig.package.json');
run('npx', 'vite', 'build', 'dashboard', '--logLevel', 'error');
for (const file of FILES) cpSync(`${root}/${file}`, `${dist}/${file}`, { recursive: true });
mkdirSync(`${dist}/bin`);
cpSync(`${root}/packaging/npm/lastref.cjs`, `${dist}/bin/lastref.cjs`);
const lastref = (...args: string[]) => run(process.execPath, `${dist}/bin/lastref.cjs`, ...args);
mkdirSync(`${dist}/man`);
writeFileSync(`${dist}/man/lastref.1`, lastref('man'));
mkdirSync(`${dist}/completion`);
for (const [shell, name] of [
  ['bash', 'lastref'],
  ['zsh', '_lastref'],
  ['fish', 'lastref.fish'],
] as const) {
  writeFileSync(`${dist}/completion/${name}`, lastref('completion', shell));
}
