/** `lastref completion SHELL`: a script that completes this very command line. */
import type { Command } from 'commander';
import { bash } from './bash.ts';
import { fish } from './fish.ts';
import { commandsOf, optionsOf } from './words.ts';
import { zsh } from './zsh.ts';

const SCRIPTS = { bash, zsh, fish };

export type Shell = keyof typeof SCRIPTS;

export function completion(program: Command, shell: Shell): string {
  return SCRIPTS[shell](commandsOf(program), optionsOf(program));
}
