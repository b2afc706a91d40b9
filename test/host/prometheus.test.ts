/** A real Prometheus scrapes a real server: every query of the dashboard and every alert rule is asked. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, ROOT } from '../support/cli.ts';
import { ScrapedServer } from '../support/scraped-server.ts';
import { freePort } from '../support/sockets.ts';

/** Unpacked by ./scripts/test, not installed: the package would start a service. */
const BIN = ['', `${ROOT}test/artefacts/prometheus`]
  .map((root) => `${root}/usr/bin`)
  .find((folder) => existsSync(`${folder}/promtool`));
const RULES = `${ROOT}packaging/prometheus/lastref.rules.yml`;
const DASHBOARD = JSON.parse(
  readFileSync(`${ROOT}packaging/grafana/lastref.json`, 'utf8'),
) as Dashboard;

interface Dashboard {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly gridPos: {
      readonly x: number;
      readonly y: number;
      readonly w: number;
      readonly h: number;
    };
    readonly datasource?: { readonly type: string; readonly uid: string };
    readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
  }[];
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly type: string;
      readonly definition?: string;
    }[];
  };
}

function promtool(args: readonly string[], input = ''): string {
  return execFileSync(`${BIN}/promtool`, args, { input, encoding: 'utf8', cwd: ROOT });
}

let server: ScrapedServer;
beforeAll(async () => {
  if (BIN === undefined) throw new Error('no Prometheus: ./scripts/test host fetches it');
  server = await ScrapedServer.start();
});
afterAll(() => server?.stop());

describe('promtool', () => {
  it('finds nothing to say of /metrics', async () => {
    expect(promtool(['check', 'metrics'], await server.metrics())).toBe('');
  });

  it('takes the alert rules, and each fires when it should', () => {
    expect(promtool(['check', 'rules', RULES])).toContain('SUCCESS');
    expect(promtool(['test', 'rules', 'test/fixtures/lastref.rules.test.yml'])).toContain(
      'SUCCESS',
    );
  });

  it('takes the example of a configuration', () => {
    const example = readFileSync(`${ROOT}packaging/prometheus/prometheus.example.yml`, 'utf8');
    const folder = mkdtempSync(join(tmpdir(), 'lastref-prom-'));
    const file = join(folder, 'prometheus.yml');
    writeFileSync(join(folder, 'token'), 'x');
    writeFileSync(
      file,
      example
        .replace('/etc/prometheus/lastref.rules.yml', RULES)
        .replaceAll('/etc/prometheus/lastref-viewer', join(folder, 'token')),
    );
    expect(promtool(['check', 'config', file])).toContain('SUCCESS');
    rmSync(folder, { recursive: true });
  });
});

describe('a real Prometheus', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lastref-prom-'));
  let child: ChildProcess;
  let origin = '';

  beforeAll(async () => {
    const url = new URL(server.web.localOrigin);
    writeFileSync(join(folder, 'token'), server.web.token);
    writeFileSync(
      join(folder, 'prometheus.yml'),
      `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ['${RULES}']
scrape_configs:
  - job_name: lastref
    authorization: {credentials_file: '${folder}/token'}
    static_configs: [{targets: ['${url.host}']}]
`,
    );
    const port = await freePort();
    origin = `http://127.0.0.1:${port}`;
    child = spawn(`${BIN}/prometheus`, [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ]);
    let errors = '';
    child.stderr!.on('data', (text) => {
      errors = `${errors}${text}`.slice(-2000);
    });
    const up = async () => {
      if (child.exitCode !== null) throw new Error(`Prometheus ended: ${errors}`);
      return (await query('up{job="lastref"} == 1').catch(() => [])).length === 1;
    };
    await eventually(60_000, up, 'the first scrape');
    // rates want counters that move from scrape to scrape
    for (let part = 0.25; part < 1.01; part += 0.15) {
      server.upTo(Math.min(1, part));
      const before = await scraped();
      await eventually(30_000, async () => (await scraped()) > before, 'another scrape');
    }
  });
  afterAll(async () => {
    if (child !== undefined && child.exitCode === null) {
      const closed = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGKILL');
      await closed;
    }
    rmSync(folder, { recursive: true });
  });

  async function ask<T>(path: string): Promise<T> {
    const answer = await fetch(`${origin}${path}`);
    const { status, data, error } = (await answer.json()) as {
      status: string;
      data: T;
      error?: string;
    };
    if (status !== 'success') throw new Error(`${path}: ${error}`);
    return data;
  }

  const query = async (expr: string) =>
    (
      await ask<{ result: { metric: Record<string, string>; value: [number, string] }[] }>(
        `/api/v1/query?query=${encodeURIComponent(expr)}`,
      )
    ).result;
  const scraped = async () => Number((await query('timestamp(up)'))[0]?.value[1] ?? 0);

  it('gets data for every query of the dashboard', async () => {
    const empty: string[] = [];
    let asked = 0;
    for (const { title, targets } of DASHBOARD.panels) {
      for (const { expr } of targets ?? []) {
        const asFilled = expr
          .replaceAll(/\$(instance|host|fs)\b/g, '.*')
          .replaceAll('$__rate_interval', '1m');
        expect(asFilled).not.toContain('$');
        if ((await query(asFilled)).length === 0) empty.push(`${title}: ${asFilled}`);
        asked++;
      }
    }
    expect(empty).toEqual([]);
    expect(asked).toBeGreaterThan(40);
  });

  it('fills the variables of the dashboard', async () => {
    for (const { name, definition } of DASHBOARD.templating.list) {
      if (definition === undefined) continue;
      const [, expr, label] = /^label_values\((.*), (\w+)\)$/.exec(definition)!;
      const rows = await query(expr!.replaceAll(/\$\w+/g, '.*'));
      expect(
        rows.filter(({ metric }) => metric[label!] !== undefined).length,
        name,
      ).toBeGreaterThan(0);
    }
  });

  it('evaluates every rule, and alerts of the leak that is there', async () => {
    interface Rules {
      readonly groups: readonly {
        readonly rules: readonly {
          readonly name: string;
          readonly health: string;
          readonly state: string;
        }[];
      }[];
    }
    const rules = async () =>
      (await ask<Rules>('/api/v1/rules')).groups.flatMap((group) => group.rules);
    await eventually(
      30_000,
      async () => (await rules()).every(({ health }) => health === 'ok'),
      'all',
    );
    const state = async (name: string) => (await rules()).find((rule) => rule.name === name)!.state;
    await eventually(30_000, async () => (await state('LastrefLeak')) !== 'inactive', 'the alert');
    expect(await state('LastrefDown')).toBe('inactive');
  });
});

describe('the dashboard', () => {
  it('is one that Grafana can place: ids, rows, columns, references', () => {
    const { panels, templating, schemaVersion, uid } = DASHBOARD;
    expect({ uid, schemaVersion }).toEqual({ uid: 'lastref', schemaVersion: 38 });
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const variables = new Set(templating.list.map(({ name }) => name));
    const taken = new Set<string>();
    for (const { type, title, gridPos, targets, datasource } of panels) {
      expect(['row', 'stat', 'timeseries', 'heatmap', 'table']).toContain(type);
      expect(title).not.toBe('');
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x} ${y}`), `${title} lies on another panel`).toBe(false);
          taken.add(`${x} ${y}`);
        }
      }
      if (type === 'row') continue;
      expect(datasource).toEqual({ type: 'prometheus', uid: '$' + '{datasource}' });
      expect(targets!.map(({ refId }) => refId)).toEqual([...'ABCDEF'].slice(0, targets!.length));
      for (const { expr } of targets!) {
        for (const [, name] of expr.matchAll(/\$(\w+)/g)) {
          expect(name === '__rate_interval' || variables.has(name!), `$${name}`).toBe(true);
        }
      }
    }
  });
});
