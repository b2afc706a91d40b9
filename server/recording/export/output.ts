/** Where an export goes: a new file, or standard output. Written as it comes, and never read again. */
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';

const FLUSH_BYTES = 256 * 1024;
const STDOUT = 1;

/** Nobody reads on: `lastref export … | head`. */
export class OutputClosed extends Error {}

export class Output {
  bytes = 0;
  readonly #path: string;
  readonly #fd: number;
  #parts: Uint8Array[] = [];
  #waiting = 0;

  /** `-` is standard output. Throws RangeError, also when the file exists: nothing is overwritten. */
  constructor(path: string) {
    this.#path = path;
    if (path === '-') this.#fd = STDOUT;
    else {
      try {
        this.#fd = openSync(path, 'wx');
      } catch (error) {
        throw new RangeError(whyNot(path, error as NodeJS.ErrnoException));
      }
    }
  }

  write(what: string | Uint8Array): void {
    const bytes = typeof what === 'string' ? Buffer.from(what) : what;
    this.#parts.push(bytes);
    this.#waiting += bytes.length;
    if (this.#waiting >= FLUSH_BYTES) this.#flush();
  }

  close(): void {
    this.#flush();
    if (this.#fd !== STDOUT) closeSync(this.#fd);
  }

  /** Half an export is none: the file goes. */
  abandon(): void {
    if (this.#fd === STDOUT) return;
    closeSync(this.#fd);
    unlinkSync(this.#path);
  }

  #flush(): void {
    const all = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#waiting = 0;
    for (let at = 0; at < all.length; ) {
      try {
        at += writeSync(this.#fd, all, at);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code === 'EPIPE') throw new OutputClosed();
        if (code !== 'EAGAIN') throw new RangeError(`cannot write ${this.#path}: ${message}`);
        // the reader of a pipe is behind
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      }
    }
    this.bytes += all.length;
  }
}

function whyNot(path: string, { code, message }: NodeJS.ErrnoException): string {
  if (code === 'EEXIST') {
    return `${path} exists already; an export never overwrites a file. Take another name.`;
  }
  if (code === 'ENOENT') return `${path}: there is no such folder`;
  return `cannot write ${path}: ${message}`;
}
