import { describe, expect, it } from 'vitest';
import {
  isChosen,
  keyOf,
  labelPairs,
  newsOf,
  pagesText,
  silenceEnd,
  sinkWord,
} from '../../../dashboard/src/alerts/words.ts';
import type { SessionAlert, Silence, SinkStatus } from '../../../server/protocol/alerts.ts';
import { leakOf } from '../../fixtures/leaks.ts';

const silence: Silence = {
  id: 's',
  match: {},
  until_ms: null,
  until_resolved: false,
  reason: '',
  created_ms: 0,
  config: false,
};
const sink: SinkStatus = {
  name: 's',
  kind: 'webhook',
  target: 'h',
  sent: 0,
  failures: 0,
  refused: 0,
  waiting: 0,
  dropped: 0,
  error: '',
  retry_ms: null,
};

describe('words of alerts', () => {
  it('name hugepages and bytes, and nothing where there are none', () => {
    expect(pagesText(leakOf())).toBe('1 hugepage, 2 MiB');
    expect(pagesText(leakOf({ pages: 0, bytes: 0 }))).toBe('–');
  });

  it('say until when a silence lasts', () => {
    expect(silenceEnd(silence, 0)).toBe('for good');
    expect(silenceEnd({ ...silence, until_resolved: true }, 0)).toBe('until resolved');
    expect(silenceEnd({ ...silence, until_ms: 3600e3 }, 0)).toMatch(
      /^until \d\d:00:00 \(60 min\)$/,
    );
    expect(silenceEnd({ ...silence, until_ms: 4 * 86400e3 }, 0)).toMatch(/^until 1970-01-0/);
  });

  it('order the labels as people look for them', () => {
    const labels = { team: 'mm', boot_id: 'b', host: 'box', alertname: 'A', env: 'lab' };
    expect(labelPairs(labels).map(([name]) => name)).toEqual([
      'alertname',
      'host',
      'boot_id',
      'env',
      'team',
    ]);
  });

  it('say what is wrong with a sink first', () => {
    expect(sinkWord(sink)).toEqual({ word: 'nothing to tell yet', tone: 'good' });
    expect(sinkWord({ ...sink, sent: 1 }).tone).toBe('good');
    expect(sinkWord({ ...sink, sent: 1, dropped: 1 }).tone).toBe('warn');
    expect(sinkWord({ ...sink, dropped: 1, error: 'ECONNREFUSED' })).toEqual({
      word: 'ECONNREFUSED',
      tone: 'bad',
    });
  });

  it('choose an alert by its key, or by the fingerprint of a link', () => {
    const alert = { fingerprint: 'ab', active_ms: 5 } as SessionAlert;
    expect([keyOf(alert), 'ab'].map((chosen) => isChosen(alert, chosen))).toEqual([true, true]);
    expect(['', 'a', 'ab-6'].map((chosen) => isChosen(alert, chosen))).toEqual([
      false,
      false,
      false,
    ]);
  });
});

it('notices are of what came since the page was opened, once', () => {
  const [one, two] = ['1', '2'].map((key) => ({ key, starts_ms: 0, title: '', text: '' }));
  expect(newsOf(null, [one!])).toEqual([]);
  expect(newsOf(new Set(['1']), [two!, one!])).toEqual([two]);
});
