/**
 * Tokens that outlive the server: a file with one line for each role, `operator TOKEN`
 * and `viewer TOKEN`, which only its owner can read. Never on the command line, which
 * every user of the machine can read.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { ROLES, type Role } from '../protocol/messages.ts';
import { newToken, type Tokens } from '../web/auth.ts';
import { CliError, EXIT } from './exit.ts';

/** As many random bits as 16 bytes have, in base64; nothing that a link or a header minds. */
const TOKEN = /^[A-Za-z0-9_-]{22,200}$/;
const MAX_BYTES = 4096;

/** Where there is no file, it is made, with new tokens. Throws CliError. */
export function readTokens(file: string): Tokens {
  const text = contentOf(file) ?? make(file);
  const tokens = new Map<Role, string>();
  text.split('\n').forEach((line, i) => {
    if (line.trim() === '' || line.startsWith('#')) return;
    const [role = '', token = '', ...more] = line.trim().split(/\s+/);
    const where = `${file}:${i + 1}`;
    if (!isRole(role) || more.length > 0)
      throw bad(where, 'expected: operator TOKEN, or viewer TOKEN');
    if (tokens.has(role)) throw bad(where, `a second token of the ${role}`);
    if (!TOKEN.test(token)) {
      throw bad(where, 'a token has 22 to 200 characters of A-Z, a-z, 0-9, - and _');
    }
    tokens.set(role, token);
  });
  const operator = tokens.get('operator');
  if (operator === undefined) throw bad(file, 'it has no line: operator TOKEN');
  const viewer = tokens.get('viewer') ?? newToken();
  if (viewer === operator) throw bad(file, 'the viewer would have the token of the operator');
  return { operator, viewer };
}

/** Null: there is none. Looked at and read as one and the same file, whatever its name is given to. */
function contentOf(file: string): string | null {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw bad(file, (error as Error).message);
  }
  try {
    const info = fstatSync(fd);
    if (!info.isFile()) throw bad(file, 'it is not a regular file');
    if (info.uid !== process.getuid?.() || (info.mode & 0o077) !== 0) {
      const mode = (info.mode & 0o777).toString(8);
      throw bad(
        file,
        `others have access to it (owner ${info.uid}, mode ${mode}), and so to the tokens in it.\n` +
          `If nobody has used that: chmod 600 ${file}\n` +
          'Else remove it, and lastref makes one with new tokens.',
      );
    }
    if (info.size > MAX_BYTES) throw bad(file, `it is larger than ${MAX_BYTES} bytes`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

function make(file: string): string {
  const text = ROLES.map((role) => `${role} ${newToken()}\n`).join('');
  try {
    writeFileSync(file, text, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    throw bad(file, (error as Error).message);
  }
  return text;
}

function isRole(text: string): text is Role {
  return (ROLES as readonly string[]).includes(text);
}

function bad(where: string, why: string): CliError {
  return new CliError(EXIT.usage, `--token-file: ${where}: ${why}`);
}
