/** Names and modes of files that are made of what others say. */
import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeWhole } from '../../server/notify/files.ts';
import { StateDir } from '../../server/notify/state-dir.ts';
import { Config } from '../../server/protocol/config.ts';
import { freeName } from '../../server/recording/flight.ts';
import { RecordingWriter } from '../../server/recording/writer.ts';

const directory = mkdtempSync(join(tmpdir(), 'lastref-names-'));
const HOSTILE = [
  '..',
  '../../etc/passwd',
  '/etc/passwd',
  'a\0b',
  'a\nb',
  '$(reboot)',
  '-rf',
  '',
  '.',
];

describe('a file of the flight recorder', () => {
  it('lies in its directory and minds no shell, whatever hosts and alerts are called', () => {
    const name = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom(...HOSTILE));
    const time = fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true });
    fc.assert(
      fc.property(name, name, time, (host, alert, date) => {
        const file = freeName(directory, host, alert, date.getTime());
        expect(dirname(file)).toBe(directory);
        expect(basename(file)).toMatch(/^flight-[\w.]{0,60}-\d{8}T\d{6}-[\w.]{0,60}\.lastref$/);
      }),
      { numRuns: 1000 },
    );
  });

  it('is never one that is there', () => {
    const first = freeName(directory, 'a/b', 'x', 0);
    writeFileSync(first, '');
    const second = freeName(directory, 'a:b', 'x', 0);
    expect(second).not.toBe(first);
    expect(dirname(second)).toBe(directory);
  });
});

describe('a sink', () => {
  const parse = (name: string) =>
    Config.safeParse({ sinks: [{ name, command: ['/bin/true'] }] }).success;

  it('has a name that is a directory of its own', () => {
    expect(parse('on-call_2')).toBe(true);
    for (const name of HOSTILE) expect([name, parse(name)]).toEqual([name, false]);
  });
});

describe('the state directory', () => {
  it('and what is written into it is for its owner alone', () => {
    const path = join(directory, 'state');
    const state = new StateDir(path);
    const file = join(path, 'x.json');
    writeFileSync(file, '', { mode: 0o644 });
    writeWhole(file, '{}');
    expect([path, file].map((one) => statSync(one).mode & 0o777)).toEqual([0o700, 0o600]);
    state.close();
  });
});

describe('a recording', () => {
  it('is for its owner alone, as are the files beside it while it is written', () => {
    const file = join(directory, 't.lastref');
    const writer = new RecordingWriter(file);
    try {
      for (const end of ['', '-wal', '-shm']) {
        expect([end, statSync(file + end).mode & 0o777]).toEqual([end, 0o600]);
      }
    } finally {
      writer.close();
    }
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });
});
