import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../support/cli.ts';

function bench(name: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [`${ROOT}test/bench/${name}.ts`, ...args],
    { encoding: 'utf8', timeout: 60_000 },
  );
  return { status, stdout, stderr };
}

describe('the options of a benchmark', () => {
  it('are listed with what they are by default', () => {
    const { status, stdout } = bench('memory', '--help');
    expect(status).toBe(0);
    expect(stdout).toContain('  --seconds N  (600)\n');
    expect(stdout).toContain(
      '  --detail steps|lifecycle|auto  (auto, steps, may be given again)\n',
    );
  });

  it.each([
    ['ingest', ['--evnts', '3'], "Unknown option '--evnts'"],
    ['ingest', ['--input', 'foo'], '--input foo: expected steps, lifecycle, lives'],
    ['ingest', ['--events', '10'], '--events 10: expected a number, at least 1000'],
    ['memory', ['--detail', 'steps', '--detail', 'x'], '--detail steps,x: expected steps, lifecy'],
    ['memory', ['--seconds', 'soon'], '--seconds soon: expected a number, at least 30'],
    ['overhead', ['--host', 'box'], '--host box: expected local, vm'],
    ['overhead', ['box'], "Unexpected argument 'box'"],
  ])('of %s: %j is refused, and it is said what there is', (name, args, why) => {
    const { status, stdout, stderr } = bench(name, ...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(why);
    expect(stderr).toContain('options, and what they are where nothing is said:\n  --json\n');
    expect(stderr.split('\n').length).toBeLessThan(20);
  });
});
