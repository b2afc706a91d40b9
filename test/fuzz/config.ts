/** The config file: YAML, damaged and made to be nasty. One input is one file. */
import { readFileSync } from 'node:fs';
import { parseConfig } from '../../server/cli/config.ts';
import { CliError, EXIT } from '../../server/cli/exit.ts';
import { RecordedAlerting, recordedAlerting } from '../../server/protocol/config.ts';
import type { Random } from '../support/random.ts';
import {
  cutTail,
  duplicate,
  flipBit,
  insert,
  ROOM,
  remove,
  replaceByte,
  replaceWord,
  splice,
} from './mutate.ts';
import { Failed, must, mustBeQuick, type Target } from './target.ts';

/** Files in a batch. */
const BATCH = 20;
const EXAMPLE = readFileSync(new URL('../../docs/config.example.yaml', import.meta.url));
/** The largest file there may be, nested all through. */
const SLOW_MS = 3000;

/** Pieces that a YAML reader has to be careful with. */
const PIECES = [
  'rules: [{alert: A, for: 2s}]\n',
  'rules:\n  - alert: A\n    labels: {team: mm, n: 5, b: true}\n    annotations: {s: "{{text}}"}\n',
  'sinks:\n  - name: x\n    command: [sh, -c, cat]\n',
  'sinks:\n  - name: y\n    webhook: http://h/\n    headers: {A: "\\u0007"}\n',
  'silences:\n  - match: {host: a}\n    until: 2026-12-24\n',
  'leak_after: {pinned: 500ms, "pool drift": 1h30m}\n',
  'a: &a [*a, *a]\n',
  'a: &a {<<: *a}\n',
  '&a a: &b [x]\nb: [*b, *b, *b, *b]\n',
  '<<: {history: 3}\n',
  '? [1, 2]\n: x\n',
  '? {a: b}\n: x\n',
  '__proto__: {x: 1}\nconstructor: 1\n',
  '!!binary aGk=\n',
  '!!js/function "x"\n',
  '!!set {a, b}\n',
  '%YAML 1.1\n---\n',
  '---\na\n---\nb\n...\n',
  'history: 0x10\n',
  'history: .inf\n',
  'history: 1e400\n',
  'history: 99999999999999999999999\n',
  'a: |\n  x\n   y\n z\n',
  'a: >-\n',
  '"a\\x00b": "\\ud800"\n',
  'a: "unfinished\n',
  "a: 'it''s'\n",
  '\ta: b\n',
  '- - - - - -\n',
  '{{{{{{{{{{',
  '[[[[[[[[[[',
  '{a: {a: {a: {a: ',
  '\ufeff# mark\n',
  '\x00',
  '# \u2028\n',
];
const DAMAGES = [replaceByte, flipBit, cutTail, remove, duplicate, insert, replaceWord];

export class ConfigTarget implements Target {
  readonly growthMb = 16;
  readonly #buf = Buffer.alloc(64 * 1024 + EXAMPLE.length + 16 * ROOM);
  readonly #splice = splice(PIECES.map((piece) => Buffer.from(piece)));

  batch(random: Random): number {
    for (let i = 0; i < BATCH; i++) {
      const input = this.#file(random);
      try {
        check(input.toString('utf8'));
      } catch (error) {
        throw new Failed(Buffer.from(input), error);
      }
    }
    return BATCH;
  }

  replay(input: Buffer): void {
    check(input.toString('utf8'));
  }

  close(): void {}

  #file(random: Random): Buffer {
    let length = 0;
    if (random.once(8)) length = EXAMPLE.copy(this.#buf);
    else {
      const pieces = Array.from({ length: 1 + random.below(5) }, () => random.pick(PIECES));
      length = this.#buf.write(pieces.join(''), 'utf8');
    }
    for (let rest = random.below(4); rest > 0; rest--) {
      const damage = random.once(6) ? this.#splice : random.pick(DAMAGES);
      length = damage(this.#buf, 0, length, random);
    }
    if (random.once(100)) {
      // one inside the other, more and more
      const piece = random.pick(['[', '{a: ', '- ', '? ', '{', '!!a ', '&a ', '"', '*a ', '\n ']);
      length = this.#buf.write(piece.repeat(1 + random.below(8000)), length, 'utf8') + length;
    }
    return this.#buf.subarray(0, Math.min(length, this.#buf.length));
  }
}

function check(text: string): void {
  mustBeQuick(SLOW_MS, () => {
    try {
      const kept = recordedAlerting(parseConfig(text, 'config.yaml'));
      const again = RecordedAlerting.parse(JSON.parse(JSON.stringify(kept)));
      must(JSON.stringify(again) === JSON.stringify(kept), 'it does not read back as it was kept');
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      must(error.code === EXIT.usage, `exit code ${error.code}`);
      must(error.message.startsWith('config.yaml'), 'an error without the name of the file');
      must(error.message.split('\n').length <= 10, 'an error of more than ten lines');
      must(
        /^[^\p{Cc}\p{Cf}]*$/u.test(error.message.replaceAll('\n', '')),
        'an error with controls',
      );
      must(error.message.length <= 4000, 'an error that fills more than a screen');
    }
  });
}
