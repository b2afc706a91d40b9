/** GET /metrics: what Prometheus reads must be right, and stay right while the session goes on. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Exposition, Told } from '../../server/web/metrics/exposition.ts';
import { EDGES } from '../../server/web/metrics/traced.ts';
import { ScrapedServer } from '../support/scraped-server.ts';

interface Scrape {
  readonly types: ReadonlyMap<string, string>;
  /** By name and labels as they were written. */
  readonly values: ReadonlyMap<string, number>;
}

function parse(text: string): Scrape {
  const types = new Map<string, string>();
  const values = new Map<string, number>();
  for (const line of text.split('\n').slice(0, -1)) {
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (type !== null) {
      expect(types.has(type[1]!)).toBe(false);
      types.set(type[1]!, type[2]!);
    }
    if (line.startsWith('#')) continue;
    const [, series, value] = /^([a-z_]+(?:\{.*\})?) (\S+)$/.exec(line)!;
    expect(values.has(series!), `twice: ${series}`).toBe(false);
    expect(Number.isFinite(Number(value)), line).toBe(true);
    values.set(series!, Number(value));
  }
  return { types, values };
}

const familyOf = (series: string) =>
  series.replace(/\{.*/, '').replace(/(_bucket|_sum|_count)$/, '');
const labelOf = (series: string, name: string) =>
  new RegExp(`[{,]${name}="([^"]*)"`).exec(series)?.[1];

let server: ScrapedServer;
const scrapes: Scrape[] = [];
beforeAll(async () => {
  server = await ScrapedServer.start();
  for (const part of [0.25, 0.4, 0.6, 0.8, 0.9, 1]) {
    server.upTo(part);
    scrapes.push(parse(await server.metrics()));
  }
}, 120_000);
afterAll(() => server.stop());

describe('metrics', () => {
  it('never take a counter back, of any epoch', () => {
    const before = new Map<string, number>();
    let counters = 0;
    for (const { types, values } of scrapes) {
      for (const series of before.keys()) expect(values.has(series), series).toBe(true);
      for (const [series, value] of values) {
        if ((types.get(familyOf(series)) ?? types.get(series)) === 'gauge') continue;
        expect(value, series).toBeGreaterThanOrEqual(before.get(series) ?? 0);
        before.set(series, value);
        counters++;
      }
    }
    expect(counters).toBeGreaterThan(1000);
  });

  it('have histograms whose buckets add up', () => {
    const { values } = scrapes.at(-1)!;
    const buckets = new Map<string, { edge: number; below: number }[]>();
    for (const [series, below] of values) {
      if (!series.startsWith('lastref_stage_seconds_bucket')) continue;
      const edge = Number(labelOf(series, 'le')!.replace('+Inf', 'Infinity'));
      const of = series.replace(/,le="[^"]*"/, '').replace('_bucket', '');
      buckets.set(of, [...(buckets.get(of) ?? []), { edge, below }]);
    }
    expect(buckets.size).toBeGreaterThan(10);
    for (const [series, list] of buckets) {
      expect(list).toHaveLength(EDGES.length + 1);
      expect(list.map(({ edge }) => edge)).toEqual(
        list.map(({ edge }) => edge).sort((a, b) => a - b),
      );
      for (let i = 1; i < list.length; i++) {
        expect(list[i]!.below).toBeGreaterThanOrEqual(list[i - 1]!.below);
      }
      const count = values.get(
        series.replace('lastref_stage_seconds', 'lastref_stage_seconds_count'),
      )!;
      const sum = values.get(series.replace('lastref_stage_seconds', 'lastref_stage_seconds_sum'))!;
      expect(list.at(-1)).toEqual({ edge: Number.POSITIVE_INFINITY, below: count });
      // each lies between the edges of its bucket
      let least = 0;
      let most = 0;
      list.forEach(({ edge, below }, i) => {
        const here = below - (list[i - 1]?.below ?? 0);
        least += here * (list[i - 1]?.edge ?? 0);
        most += here * (here === 0 ? 0 : edge);
      });
      expect(sum).toBeGreaterThanOrEqual(least);
      expect(sum).toBeLessThanOrEqual(most);
    }
  });

  it('agree with the report', async () => {
    const { values } = scrapes.at(-1)!;
    const sum = (name: string, ...labels: string[]) =>
      [...values]
        .filter(([series]) => series.startsWith(`${name}{`))
        .filter(([series]) => labels.every((label) => series.includes(label)))
        .reduce((all, [, value]) => all + value, 0);
    const answer = await fetch(`${server.web.localOrigin}/api/report`, {
      headers: { Authorization: `Bearer ${server.web.token}` },
    });
    const report = (await answer.json()) as {
      events: { decoded: number };
      inodes: { ended: number };
      stages: Record<string, { count: number }>;
      leaks: { kind: string; state: string }[];
    };
    expect(sum('lastref_events_total')).toBe(report.events.decoded);
    expect(sum('lastref_inodes_ended_total')).toBe(report.inodes.ended);
    for (const [key, { count }] of Object.entries(report.stages)) {
      const [pair, fs] = key.split(' ');
      const of = fs === undefined ? [] : [`fs="${fs}"`];
      const here = sum('lastref_stage_seconds_count', `pair="${pair}"`, ...of);
      expect(here, key).toBe(count);
    }
    const leaks = (state: string) => report.leaks.filter((leak) => leak.state === state).length;
    expect(sum('lastref_leaks')).toBe(leaks('firing'));
    expect(sum('lastref_leaks_total', 'state="fired"')).toBe(report.leaks.length);
    expect(sum('lastref_leaks_total', 'state="resolved"')).toBe(leaks('resolved'));
    expect(leaks('resolved')).toBeGreaterThan(0);
    expect(leaks('firing')).toBeGreaterThan(0);
  });

  it('tell how the tracers are, and what is recorded', () => {
    const { values } = scrapes.at(-1)!;
    const of = (series: string) => values.get(series);
    expect(of('lastref_tracer_ready{host="vm"}')).toBe(1);
    expect(of('lastref_tracer_status{host="vm",state="failed"}')).toBe(0);
    expect(of('lastref_tracer_restarts_total{host="vm"}')).toBe(1);
    expect(of('lastref_tracer_attach_seconds{host="vm"}')).toBe(5.4);
    expect(of('lastref_last_event_age_seconds{host="vm"}')).toBeLessThan(60);
    expect(of('lastref_recording_ok')).toBe(1);
    expect(of('lastref_recording_bytes_total')).toBeGreaterThan(1000);
    expect(of('lastref_recording_events_total')).toBeGreaterThan(3000);
  });

  it('are all in docs/fleet.md, and nothing else is', () => {
    const doc = readFileSync(new URL('../../docs/fleet.md', import.meta.url), 'utf8');
    const named = new Set(
      doc.match(/^\| `(lastref|process)_[a-z_]+/gm)?.map((row) => row.slice(3)),
    );
    expect([...named].sort()).toEqual([...scrapes[0]!.types.keys()].sort());
  });
});

describe('the text format', () => {
  it('escapes what a host may be called', () => {
    const out = new Exposition(new Told());
    out.gauge('g', 'Help.', (family) => family.add({ host: 'a"b\\c\nd' }, 1));
    expect(out.toString()).toBe('# HELP g Help.\n# TYPE g gauge\ng{host="a\\"b\\\\c\\nd"} 1\n');
  });

  it('adds up series of equal labels, and holds a counter that dips', () => {
    const told = new Told();
    const scrape = (...values: number[]) => {
      const out = new Exposition(told);
      out.counter('c_total', 'Help.', (family) => {
        for (const value of values) family.add({ a: '1' }, value);
      });
      return out.toString().split('\n')[2];
    };
    expect(scrape(3, 4)).toBe('c_total{a="1"} 7');
    expect(scrape(3, 2)).toBe('c_total{a="1"} 7');
    expect(scrape(5, 4)).toBe('c_total{a="1"} 9');
  });
});
