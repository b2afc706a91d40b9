/** How the judgement is told: KTAP while it comes, JUnit XML at the end. */
import { Transform, type TransformCallback } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { plain } from '../protocol/plain.ts';
import type { Judged } from './check-judge.ts';
import { isVersionLine, isWholeKtap } from './check-ktap.ts';
import { sentence } from './text.ts';

/** Characters of a workload's KTAP that are kept until it is known to be whole. */
const MAX_KTAP = 8 * 1024 * 1024;

/**
 * The workload's output as a part of KTAP version 1 (Documentation/dev-tools/ktap.rst):
 * indented where it is a whole KTAP or TAP document itself, so that it nests, which is known at
 * its end; else as diagnostics, so that no line of it can be taken for a result.
 */
export class NestedOutput extends Transform {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #isTap: boolean | null = null;
  #kept: string[] = [];
  #keptChars = 0;

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) this.#line(line);
    done();
  }

  override _flush(done: TransformCallback): void {
    const rest = this.#rest + this.#decoder.end();
    if (rest !== '') this.#line(rest);
    if (isWholeKtap(this.#kept)) for (const line of this.#kept) this.push(`  ${line}\n`);
    else this.#giveUp();
    done();
  }

  #line(line: string): void {
    const text = oneLine(line.replace(/\r$/, ''));
    if (this.#isTap === null && text.trim() !== '') this.#isTap = isVersionLine(text);
    if (this.#isTap !== true) return this.#diagnostic(text);
    this.#kept.push(text);
    this.#keptChars += text.length;
    if (this.#keptChars > MAX_KTAP) this.#giveUp();
  }

  #giveUp(): void {
    this.#isTap = false;
    for (const line of this.#kept) this.#diagnostic(line);
    this.#kept = [];
  }

  #diagnostic(text: string): void {
    // "# Subtest:" begins one
    const apart = text.startsWith('Subtest:') ? ' ' : '';
    this.push(`# ${apart}${text}`.trimEnd().concat('\n'));
  }
}

/** What some reader of text takes for the end of a line, made visible: it would begin a result. */
function oneLine(text: string): string {
  return text.replace(/[\r\v\f\x1c-\x1e\x85\u2028\u2029]/g, plain);
}

export function ktapHeader(count: number): string {
  return `KTAP version 1\n1..${count}\n`;
}

/** All results, each with its diagnostics before it, and the totals as kselftest.h has them. */
export function ktapResults(tests: readonly Judged[]): string {
  const count = (outcome: Judged['outcome']) => tests.filter((t) => t.outcome === outcome).length;
  const totals = `# Totals: pass:${count('pass')} fail:${count('fail')} xfail:${count('allowed')} xpass:0 skip:${count('skip')} error:0\n`;
  return tests.map((test, i) => ktapLine(i + 1, test)).join('') + totals;
}

/** `number` counts from 1. */
function ktapLine(number: number, judged: Judged): string {
  const { name, title, outcome, why, evidence } = judged;
  const lines = outcome === 'fail' ? [`# ${title}: ${why}`] : [];
  lines.push(...evidence.map((line) => `# ${line}`));
  const result = `${outcome === 'fail' ? 'not ok' : 'ok'} ${number} ${name}`;
  if (outcome === 'skip') lines.push(`${result} # SKIP ${why}`);
  else if (outcome === 'allowed') lines.push(`${result} # XFAIL ${why}`);
  else lines.push(result);
  return lines.map((line) => `${sentence(line)}\n`).join('');
}

/** `seconds`: how long the workload ran and was waited for. */
export function junit(tests: readonly Judged[], host: string, seconds: number): string {
  const count = (outcome: Judged['outcome']) => tests.filter((t) => t.outcome === outcome).length;
  const skipped = count('skip') + count('allowed');
  const attributes = `tests="${tests.length}" failures="${count('fail')}" errors="0" skipped="${skipped}" time="${seconds.toFixed(3)}"`;
  const out = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${attributes}>`,
    `  <testsuite name="lastref" hostname="${xml(host)}" ${attributes}>`,
  ];
  for (const { name, outcome, why, evidence } of tests) {
    const [group, ...rest] = name.split(' ');
    const own = rest.length === 0 ? name : rest.join(' ');
    const text = xml(evidence.join('\n'));
    out.push(`    <testcase classname="lastref.${group}" name="${xml(own)}">`);
    if (outcome === 'fail') out.push(`      <failure message="${xml(why)}">${text}</failure>`);
    else if (outcome !== 'pass') {
      out.push(
        `      <skipped message="${xml(outcome === 'allowed' ? `allowed: ${why}` : why)}"/>`,
      );
    }
    if (outcome !== 'fail' && text !== '') out.push(`      <system-out>${text}</system-out>`);
    out.push('    </testcase>');
  }
  out.push('  </testsuite>', '</testsuites>', '');
  return out.join('\n');
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

/** Printable ASCII and newlines: XML 1.0 knows no other control characters. */
function xml(text: string): string {
  return text
    .split('\n')
    .map((line) => sentence(line).replace(/[&<>"]/g, (c) => ENTITIES[c]!))
    .join('\n');
}
