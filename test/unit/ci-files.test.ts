/** The examples for CI: what can be known of them without a CI system. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { lastref, ROOT } from '../support/cli.ts';

interface Step {
  readonly uses?: string;
  readonly run?: string;
}
interface Workflow {
  readonly on: readonly string[];
  readonly jobs: Readonly<
    Record<string, { readonly 'runs-on': string; readonly steps: readonly Step[] }>
  >;
}

describe('the workflow of GitHub Actions', () => {
  const text = readFileSync(`${ROOT}packaging/ci/github-actions.yml`, 'utf8');
  const { on, jobs } = parse(text) as Workflow;
  const steps = Object.values(jobs).flatMap((job) => job.steps);

  it('is YAML with jobs whose steps either use or run something', () => {
    expect(on).toEqual(['push', 'pull_request']);
    expect(Object.keys(jobs)).toEqual(['runner', 'guest']);
    for (const step of steps) expect('uses' in step).not.toBe('run' in step);
    for (const { uses } of steps) if (uses) expect(uses).toMatch(/^actions\/[a-z-]+@v\d+$/);
  });

  it('runs what bash can read, and options that lastref has', async () => {
    const commands = steps.flatMap(({ run }) => (run === undefined ? [] : [run]));
    for (const command of commands) {
      execFileSync('bash', ['-n', '-c', command.replaceAll(/\$\{\{.*?\}\}/g, 'x')]);
    }
    const ours = commands.flatMap(
      (command) => command.replaceAll('\\\n', ' ').match(/^lastref .*/gm) ?? [],
    );
    expect(ours).toHaveLength(3);
    for (const command of ours) {
      const [, name, ...words] = command.split(' -- ')[0]!.split(/\s+/);
      const { stdout } = await lastref([name!, '--help']);
      for (const word of words.filter((w) => w.startsWith('--')))
        expect(stdout).toContain(`${word} `);
    }
  });
});

describe('the script for git bisect', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lastref-bisect-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Its exit code; `make`: that of make. */
  function bisected(make: number): number | null {
    writeFileSync(join(folder, 'make'), `#!/bin/sh\nexit ${make}\n`, { mode: 0o755 });
    const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` };
    return spawnSync(`${ROOT}packaging/ci/bisect.sh`, { cwd: folder, env }).status;
  }

  it.each([
    [0, 0],
    [1, 1],
    [2, 125],
    [3, 125],
    [4, 125],
    [137, 125],
  ])('where check ends with %d, ends with %d', (code, expected) => {
    writeFileSync(join(folder, 'lastref'), `#!/bin/sh\nexit ${code}\n`, { mode: 0o755 });
    expect(bisected(0)).toBe(expected);
  });

  it('says nothing of what cannot be built', () => {
    expect(bisected(2)).toBe(125);
  });
});
