import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig, parseConfig } from '../../server/cli/config.ts';
import {
  DEFAULT_ALERTING,
  DEFAULT_CONFIG,
  parseDuration,
  RecordedAlerting,
  recordedAlerting,
} from '../../server/protocol/config.ts';

const config = (text: string) => parseConfig(text, 'config.yaml');

/** What the error says, without the last line, which says where to read on. */
function complaint(text: string): string {
  try {
    config(text);
  } catch (error) {
    expect((error as Error).message.split('\n').length).toBeLessThan(10);
    expect((error as Error).message).toContain('docs/alerts.md');
    return (error as Error).message.split('\n').slice(0, -1).join('\n');
  }
  return 'none';
}

it.each([
  ['0', 0],
  ['500ms', 5e8],
  ['2s', 2e9],
  ['1h30m', 5400e9],
  ['1d', 86_400e9],
  ['', null],
  ['5', null],
  ['2 s', null],
  ['30m1h', null],
  ['-1s', null],
  ['9999999999d', null],
])('the duration %j is %s ns', (text, ns) => {
  expect(parseDuration(text)).toBe(ns);
});

describe('a config file', () => {
  it('may be empty, or say only what is different', () => {
    expect(config('')).toEqual(DEFAULT_CONFIG);
    expect(config('# only a comment\n')).toEqual(DEFAULT_CONFIG);
    expect(config('leak_after: {pinned: 500ms}').leak_after).toEqual({
      ...DEFAULT_CONFIG.leak_after,
      pinned: 5e8,
    });
  });

  it('by default alerts of all six kinds and tells nobody', () => {
    expect(new Set(DEFAULT_CONFIG.rules.flatMap(({ kinds }) => kinds)).size).toBe(6);
    expect(DEFAULT_CONFIG.sinks).toEqual([]);
  });

  it.each([
    [
      'rules:\n  - alert: A\n    fro: 2s\n',
      'config.yaml:3: rules[0]: there is no fro here; there are alert, kinds',
    ],
    [
      'rules:\n  - alert: A\n    for: 2 sec\n',
      'config.yaml:3: rules[0].for: expected a duration such as 500ms, 2s, 5m or 1h30m; got "2 sec"',
    ],
    [
      'rules:\n  - alert: A\n    kinds: [held, pinnd]\n',
      'config.yaml:3: rules[0].kinds[1]: expected one of "pinned"',
    ],
    [
      'rules:\n  - kinds: [held]\n',
      'config.yaml:2: rules[0].alert: expected string, received undefined',
    ],
    [
      'leak_after:\n  pined: 2s\n',
      'config.yaml:2: leak_after: there is no pined here; there are pinned, held',
    ],
    [
      'sinks:\n  - name: x\n    webhok: http://x\n',
      'config.yaml:2: sinks[0]: a sink has one of webhook, alertmanager, command; this one has none',
    ],
    [
      'sinks:\n  - name: x\n    webhook: ftp://x\n',
      'config.yaml:3: sinks[0].webhook: expected a URL that begins with http',
    ],
    [
      'sinks:\n  - name: X y\n    command: [a]\n',
      'config.yaml:2: sinks[0].name: a name is made of',
    ],
    [
      'rules:\n  - alert: A\n    annotations:\n      s: "{{comm}}"\n',
      'config.yaml:4: rules[0].annotations.s: {{comm}} is not known; known are kind',
    ],
    [
      'rules:\n  - alert: A\n    labels: {host: x}\n',
      "config.yaml:3: rules[0].labels: these labels are lastref's own",
    ],
    ['rules: [{alert: A}, {alert: A}]\n', 'config.yaml:1: rules: two rules have the same name'],
    [
      'silences:\n  - match: {host: a}\n    until: tomorrow\n',
      'config.yaml:3: silences[0].until: expected a time such as',
    ],
    ['rules: [1\nsinks: []\n', 'config.yaml:2: '],
    ['a: 1\na: 2\n', 'config.yaml:2: Map keys must be unique'],
    ['- 1\n', 'config.yaml: expected object, received array'],
  ])('%j is refused', (text, expected) => {
    expect(complaint(text)).toContain(expected);
  });

  it('is refused in the order of its lines, and does not repeat a secret', () => {
    const said = complaint(
      'rules:\n  - alert: A\n    for: x\nhistory: -1\nsinks:\n  - name: s\n    webhook: http://h\n    headers: {Authorization: "geh\u00e4im"}\n',
    );
    expect(said.split('\n').map((line) => line.split(' ')[0])).toEqual([
      'config.yaml:3:',
      'config.yaml:4:',
      'config.yaml:8:',
    ]);
    expect(said).not.toContain('geh');
  });

  it('cannot blow up by its aliases', () => {
    const lines = ['a: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 9; i++) {
      lines.push(`b${i}: &a${i} [${new Array(10).fill(`*a${i - 1}`).join(', ')}]`);
    }
    expect(complaint(lines.join('\n'))).toContain('config.yaml');
  });

  it('is refused in a few lines whose controls can be seen, whatever is in it', () => {
    expect(complaint('"\\x1b[2J\\u202e": 1')).toContain(
      'config.yaml:1: there is no \\x1b[2J\\u{202e} here; there are leak_after, rules',
    );
    expect(complaint(`${'x'.repeat(4000)}: 1`).length).toBeLessThan(510);
  });

  it('is refused at once where a reader of YAML would take minutes', () => {
    const began = performance.now();
    expect(complaint(`a: 1\n${'? '.repeat(400)}`)).toBe(
      'config.yaml:2: a key is a word; this one is not',
    );
    expect(complaint('['.repeat(2000))).toContain('config.yaml:1: nested too deeply');
    expect(complaint(`# ${'x'.repeat(70_000)}`)).toBe('config.yaml: is larger than 64 KB');
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it('is looked for where --config says, else under XDG_CONFIG_HOME, else not at all', () => {
    const directory = mkdtempSync(join(tmpdir(), 'lastref-config-'));
    expect(() => loadConfig(join(directory, 'none.yaml'))).toThrow(/there is no such file/);
    expect(() => loadConfig(directory)).toThrow(/it is a directory/);
    const env = { XDG_CONFIG_HOME: directory };
    expect(loadConfig(undefined, env)).toBe(DEFAULT_CONFIG);
    writeFileSync(join(directory, 'mine.yaml'), 'history: 7\n');
    expect(loadConfig(join(directory, 'mine.yaml'), env).history).toBe(7);
  });

  it('of the documentation is a good one, and every key is in it', () => {
    const text = readFileSync(new URL('../../docs/config.example.yaml', import.meta.url), 'utf8');
    const parsed = config(text);
    expect(parsed.sinks.map(({ name }) => name)).toHaveLength(3);
    for (const key of Object.keys(parsed)) expect(text, key).toContain(`${key}:`);
    for (const key of Object.keys(parsed.rules[0]!)) expect(text, key).toContain(`${key}:`);
  });
});

it('what a recording keeps of it reads back as it was', () => {
  const kept = recordedAlerting(
    config('rules: [{alert: A, for: 5s, labels: {team: mm}}]\nhistory: 3\n'),
  );
  expect(RecordedAlerting.parse(JSON.parse(JSON.stringify(kept)))).toEqual(kept);
  expect(RecordedAlerting.parse(DEFAULT_ALERTING)).toEqual(DEFAULT_ALERTING);
});
