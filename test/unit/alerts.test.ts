import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  annotationsOf,
  fingerprintOf,
  labelsOf,
  secondsText,
} from '../../server/model/alert-words.ts';
import { Alerts } from '../../server/model/alerts.ts';
import { silenceOf } from '../../server/model/silences.ts';
import { Alert, type Silence } from '../../server/protocol/alerts.ts';
import { AlertRule, DEFAULT_RULES } from '../../server/protocol/config.ts';
import { LEAK_KINDS, type Leak } from '../../server/protocol/leaks.ts';
import { Report } from '../../server/protocol/report.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { endedLeak, LeakyHost, leakOf } from '../fixtures/leaks.ts';

const rule = (some: object = {}) => AlertRule.parse({ alert: 'Leaked', ...some });

/** Alerts under some rules, and what they said in order: `firing 3`, `resolved 9`. */
function watch(rules: readonly AlertRule[] = [rule()], history = 100) {
  const said: string[] = [];
  const alerts = new Alerts({
    rules,
    history,
    changed: (alert) => {
      expect(() => Alert.parse(alert)).not.toThrow();
      said.push(`${alert.state} ${(alert.resolved_ns ?? alert.fired_ns)! / 1e9}`);
    },
  });
  return { alerts, said, at: (s: number, ...leaks: Leak[]) => alerts.update(leaks, s * 1e9) };
}

describe('an alert', () => {
  it('fires when the leak is one and is resolved when the leak ends', () => {
    const { alerts, said, at } = watch();
    at(2.9);
    expect(alerts.list()).toEqual([]);
    at(3.1, leakOf());
    expect(alerts.list()[0]).toMatchObject({ state: 'firing', fired_ns: 3e9, resolved_ns: null });
    at(9.1, endedLeak(leakOf(), 9e9));
    at(9.2, endedLeak(leakOf(), 9e9));
    expect(said).toEqual(['firing 3', 'resolved 9']);
    expect(alerts.list()).toHaveLength(1);
    expect(alerts.history[0]).toMatchObject({ state: 'resolved', resolved_ns: 9e9, note: '' });
  });

  it('is pending for as long as its rule says, and is none when the leak ends before', () => {
    const { alerts, said, at } = watch([rule({ for: '5s' })]);
    at(3, leakOf());
    at(7.9, leakOf());
    expect(alerts.list()[0]).toMatchObject({ state: 'pending', active_ns: 3e9, fired_ns: null });
    at(8, endedLeak(leakOf(), 7.95e9));
    expect([said, alerts.list()]).toEqual([[], []]);
    const other = leakOf({ ino: 8, fired_ns: 8e9 });
    at(9, other);
    at(13.4, other);
    expect(said).toEqual(['firing 13']);
  });

  it('fires and is resolved in that order when both happened since it was last asked', () => {
    const { said, at } = watch([rule({ for: '1s' })]);
    at(2);
    at(20, endedLeak(leakOf(), 9e9), endedLeak(leakOf({ ino: 8 }), 3.9e9));
    expect(said).toEqual(['firing 4', 'resolved 9']);
  });

  it('says that the leak was refuted; one that was refuted unseen was never there', () => {
    const { alerts, said, at } = watch();
    at(3, leakOf());
    const text = 'the pool counters show that all came back';
    at(
      4,
      { ...endedLeak(leakOf(), 4e9, 'refuted'), text },
      endedLeak(leakOf({ ino: 8 }), 4e9, 'refuted'),
    );
    expect(said).toEqual(['firing 3', 'resolved 4']);
    expect(alerts.history[0]!.note).toBe(`refuted: ${text}`);
  });

  it('ends when the leak meets its rule no longer, and begins when it does so later', () => {
    const { alerts, said, at } = watch([rule({ min_pages: 2, verdict: 'certain' })]);
    at(3, leakOf());
    at(5, leakOf({ pages: 4 }));
    at(6, leakOf({ pages: 4, verdict: 'suspected' }));
    at(7, leakOf({ pages: 4 }));
    expect(said).toEqual(['firing 5', 'resolved 6', 'firing 7']);
    expect(alerts.history[0]!.note).toContain('rule');
  });

  it('ends, and says why, when nobody follows the leak any more', () => {
    const { alerts, said, at } = watch();
    at(3, leakOf());
    at(4);
    expect(said).toEqual(['firing 3', 'resolved 4']);
    expect(alerts.history[0]!.note).toContain('no longer followed');
  });

  it('is one for two leaks with the same labels; the second takes over after the first', () => {
    const { alerts, said, at } = watch();
    const [one, two] = [leakOf({ id: 'e.pinned.1' }), leakOf({ id: 'e.pinned.2' })];
    at(3, one, two);
    expect(alerts.list()).toHaveLength(1);
    at(5, endedLeak(one, 5e9), two);
    expect(said).toEqual(['firing 3', 'resolved 5', 'firing 5']);
  });

  it('comes again when a leak of the same name begins again', () => {
    const { said, at } = watch();
    const ended = endedLeak(leakOf(), 5e9);
    const again = leakOf({ since_ns: 6e9, fired_ns: 8e9 });
    at(3, leakOf());
    at(5, ended);
    at(8, ended, again);
    at(9, ended, endedLeak(again, 9e9));
    expect(said).toEqual(['firing 3', 'resolved 5', 'firing 8', 'resolved 9']);
  });

  it('is kept after its end as far as the history goes; the others are counted', () => {
    const { alerts, at } = watch([rule()], 2);
    const leaks = [1, 2, 3].map((ino) =>
      endedLeak(leakOf({ ino, fired_ns: ino * 1e9 }), ino * 2e9),
    );
    at(10, ...leaks);
    expect(alerts.history.map(({ leak }) => leak.ino)).toEqual([3, 2]);
    expect([alerts.fired, alerts.forgotten]).toEqual([3, 1]);
  });
});

describe('a rule', () => {
  const matches = (some: object, leak: Partial<Leak> = {}) => {
    const { alerts, at } = watch([rule(some)]);
    at(3, leakOf(leak));
    return alerts.list().length === 1;
  };
  it.each<[object, Partial<Leak>, boolean]>([
    [{ kinds: ['held'] }, {}, false],
    [{ kinds: ['held', 'pinned'] }, {}, true],
    [{ hosts: ['b*'] }, {}, true],
    [{ hosts: ['lab*', 'vm'] }, {}, false],
    [{ fs: ['shmem'] }, { fs: 'tmpfs' }, true],
    [{ fs: ['hugetlbfs'] }, { fs: 'tmpfs' }, false],
    [{ min_pages: 2 }, {}, false],
    [{ min_pages: 2 }, { pages: 2 }, true],
    [{ verdict: 'certain' }, { verdict: 'suspected' }, false],
    [{}, { verdict: 'suspected' }, true],
  ])('%j of %j: %s', (some, leak, expected) => {
    expect(matches(some, leak)).toBe(expected);
  });

  it('exists by default for every kind, exactly one', () => {
    for (const kind of LEAK_KINDS) {
      const { alerts, at } = watch(DEFAULT_RULES);
      at(3, leakOf({ kind, verdict: 'suspected' }));
      expect(alerts.list(), kind).toHaveLength(1);
    }
  });
});

describe('labels', () => {
  it('do not change while the leak does, and leave out what has no value', () => {
    const grown = leakOf({ pages: 9, verdict: 'suspected', suspects: [], text: 'other' });
    expect(labelsOf(rule(), grown)).toEqual(labelsOf(rule(), leakOf()));
    const drift = leakOf({ kind: 'pool drift', ino: 0, inode: null, s_dev: '', fs: '' });
    const labels = labelsOf(rule(), { ...drift, pages: 3, bytes: 3 << 21 });
    expect(Object.keys(labels).sort()).toEqual([
      'alertname',
      'boot_id',
      'host',
      'kind',
      'severity',
      'subject',
    ]);
    expect(labels.subject).toBe('2 MiB pages');
    const lost = (since_ns: number) =>
      labelsOf(rule(), { ...drift, kind: 'reservation', since_ns });
    expect(lost(1e9).subject).not.toBe(lost(2e9).subject);
  });

  it('give a fingerprint whatever their order, in which names and values stay apart', () => {
    // emptyLabelSignature of prometheus/common; the others are held against a real Alertmanager
    expect(fingerprintOf({})).toBe('cbf29ce484222325');
    expect(fingerprintOf({ b: '2', a: '1' })).toBe(fingerprintOf({ a: '1', b: '2' }));
    expect(fingerprintOf({ a: '1', b: '2' })).not.toBe(fingerprintOf({ a: '1b', '': '2' }));
  });

  it('and annotations keep a placeholder that only another lastref knows', () => {
    const asked = { ...rule(), annotations: { a: '{{kind}} {{constructor}} {{moon}}' } };
    expect(annotationsOf(asked, leakOf(), 9e9).a).toBe('pinned {{constructor}} {{moon}}');
  });

  it('and annotations hold no control character, whatever a process calls itself', () => {
    const name = fc.string({ unit: 'binary', maxLength: 15 });
    fc.assert(
      fc.property(name, (comm) => {
        const leak = leakOf({
          suspects: [{ pid: 1, comm, how: comm, evidence: comm }],
          host: comm,
        });
        const asked = rule({
          annotations: { a: '{{suspects}} {{host}}' },
          labels: { l: '{{suspect}}' },
        });
        const text = JSON.stringify([annotationsOf(asked, leak, 9e9).a, labelsOf(asked, leak)]);
        expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|\\u00/u);
      }),
    );
  });
});

it.each([
  [0.4124, '0.412 s'],
  [75, '75.0 s'],
  [200, '3 min 20 s'],
  [7500, '2 h 5 min'],
])('%d seconds are %s', (seconds, text) => {
  expect(secondsText(seconds)).toBe(text);
});

describe('a silence', () => {
  const silence = (some: Partial<Silence>): Silence => ({
    id: 's',
    match: { host: 'box' },
    until_ms: null,
    until_resolved: false,
    reason: '',
    created_ms: 0,
    config: false,
    ...some,
  });
  it('matches when every label does, as long as it lasts', () => {
    const labels = { host: 'box', kind: 'held' };
    const is = (some: Partial<Silence>, now = 5) =>
      silenceOf([silence(some)], labels, now) !== null;
    expect(is({})).toBe(true);
    expect(is({ match: { host: 'b*', kind: 'held' } })).toBe(true);
    expect(is({ match: { host: 'box', kind: 'pinned' } })).toBe(false);
    expect(is({ match: { team: 'mm' } })).toBe(false);
    expect(is({ until_ms: 6 })).toBe(true);
    expect(is({ until_ms: 5 })).toBe(false);
  });
});

/** A random story of one host: at each second some leaks begin, change, end. */
const story = fc.array(
  fc.record({
    after: fc.integer({ min: 1, max: 4 }),
    leaks: fc.array(
      fc.record({
        ino: fc.integer({ min: 1, max: 4 }),
        pages: fc.integer({ min: 0, max: 3 }),
        end: fc.constantFrom<'resolved' | 'refuted' | null>(null, 'resolved', 'refuted'),
      }),
      { maxLength: 3 },
    ),
  }),
  { maxLength: 30 },
);

it('fires and resolves in turn, never twice, whatever the leaks do', () => {
  fc.assert(
    fc.property(story, fc.integer({ min: 0, max: 5 }), (steps, seconds) => {
      const turns = new Map<string, string[]>();
      const alerts = new Alerts({
        rules: [rule({ min_pages: 1, for: `${seconds}s` })],
        history: 1000,
        changed: (alert) => {
          const list = turns.get(alert.fingerprint) ?? [];
          turns.set(alert.fingerprint, [...list, alert.state]);
          expect(alert.fired_ns! - alert.active_ns).toBe(seconds * 1e9);
          if (alert.resolved_ns !== null) {
            expect(alert.resolved_ns).toBeGreaterThanOrEqual(alert.fired_ns!);
          }
        },
      });
      const now = { s: 0 };
      const all = new Map<string, Leak>();
      let round = 0;
      for (const { after, leaks } of steps) {
        now.s += after;
        for (const { ino, pages, end } of leaks) {
          const current = [...all.values()].find((l) => l.ino === ino && l.state === 'firing');
          const leak =
            current ?? leakOf({ ino, id: `e.pinned.${ino}.${round++}`, fired_ns: now.s * 1e9 });
          all.set(leak.id, { ...leak, pages });
          if (end !== null) all.set(leak.id, endedLeak({ ...leak, pages }, now.s * 1e9, end));
        }
        alerts.update([...all.values()], now.s * 1e9);
      }
      for (const states of turns.values()) {
        states.forEach((state, i) => {
          expect(state).toBe(i % 2 === 0 ? 'firing' : 'resolved');
        });
      }
      const firing = alerts.list().filter((alert) => alert.state === 'firing');
      const open = [...turns.values()].filter((states) => states.length % 2 === 1);
      expect(firing).toHaveLength(open.length);
    }),
  );
});

describe('alerts of an epoch', () => {
  it('are in its report, with the times of the trace', () => {
    const host = new LeakyHost();
    host.tick(2);
    host.tick(3.1);
    host.leaks = [leakOf()];
    host.tick(3.2);
    host.tick(3.3);
    const report = makeReport([host.pipeline]);
    expect(() => Report.parse(report)).not.toThrow();
    expect(report.alerts).toMatchObject([{ state: 'firing', leak: { kind: 'pinned', pages: 1 } }]);
  });

  it('end with it, and say why', () => {
    const before = new LeakyHost();
    before.leaks = [leakOf()];
    before.tick(4);
    before.tick(5);
    const after = new LeakyHost({ boot_id: 'another' });
    const alerts = makeReport([before.pipeline, after.pipeline]).alerts;
    expect(alerts).toMatchObject([{ state: 'resolved', note: 'the host was booted again' }]);
  });
});
