import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatRoute,
  PAGE_VIEWS,
  parseRoute,
  START,
  subscriptionOf,
} from '../../../dashboard/src/route.ts';
import { INODE_SORTS, Subscribe } from '../../../server/protocol/messages.ts';

describe('routes', () => {
  it('is the overview without a hash', () => {
    expect(parseRoute('')).toEqual(START);
    expect(parseRoute('#/nonsense?x=1')).toEqual(START);
  });

  it('reads a shared link', () => {
    expect(
      parseRoute('#/inodes?host=vm&filter=fs:hugetlbfs+pages%3E0&sort=evict_ns&order=up&sel=1.42'),
    ).toEqual({
      ...START,
      view: 'inodes',
      host: 'vm',
      filter: 'fs:hugetlbfs pages>0',
      sort: 'evict_ns',
      descending: false,
      inode: '1.42',
    });
  });

  it('has the inode in the path', () => {
    expect(formatRoute({ ...START, view: 'inode', inode: '1.42' })).toBe('#/inode/1.42');
    expect(parseRoute('#/inode/1.42').inode).toBe('1.42');
  });

  it('has the finding in the path', () => {
    expect(formatRoute({ ...START, view: 'contract', finding: '0.3' })).toBe('#/contract/0.3');
    expect(parseRoute('#/contract/0.3')).toMatchObject({ view: 'contract', finding: '0.3' });
    expect(subscriptionOf(parseRoute('#/contract/0.3')).finding).toBe('0.3');
    expect(formatRoute({ ...START, view: 'contract' })).toBe('#/contract');
  });

  it('has the alert in the path, as the links of notifications do', () => {
    expect(formatRoute({ ...START, view: 'alerts', alert: 'ab' })).toBe('#/alerts/ab');
    expect(parseRoute('#/alerts/ab')).toMatchObject({ view: 'alerts', alert: 'ab' });
  });

  it('goes to the table when the inode is missing', () => {
    expect(parseRoute('#/inode/').view).toBe('inodes');
  });

  it('does not fail on a broken escape', () => {
    expect(parseRoute('#/inode/%E0%A4%A').inode).toBe('%E0%A4%A');
  });

  it('comes back the same through the address, and is a valid subscription', () => {
    const route = fc.record({
      t: fc.constantFrom('', '0', '12.5', '3600.000001'),
      from: fc.constantFrom('', '0', '1764227400123.0625'),
      to: fc.constantFrom('', '1764227400124', '1764227400123.0626'),
      pair: fc.string({ maxLength: 40 }),
      view: fc.constantFrom(...PAGE_VIEWS),
      host: fc.string({ maxLength: 60 }),
      filter: fc.string({ maxLength: 200 }),
      sort: fc.constantFrom(...INODE_SORTS),
      descending: fc.boolean(),
      follow: fc.boolean(),
      inode: fc.string({ minLength: 1, maxLength: 20 }),
      finding: fc.string({ maxLength: 20 }),
      alert: fc.string({ maxLength: 20 }),
      pool: fc.string({ maxLength: 60 }),
      state: fc.string({ maxLength: 20 }),
      of: fc.string({ maxLength: 20 }),
      page: fc.string({ maxLength: 20 }),
    });
    fc.assert(
      fc.property(route, (any) => {
        // only the contract has findings, only the alerts have an alert
        const finding = any.view === 'contract' ? any.finding : '';
        const alert = any.view === 'alerts' ? any.alert : '';
        // nor does another view have a pool and what is chosen in it
        const map = any.view === 'hugepages' ? {} : { pool: '', state: '', of: '', page: '' };
        const pair = any.view === 'overview' ? any.pair : '';
        const given = { ...any, finding, alert, pair, ...map };
        expect(parseRoute(formatRoute(given))).toEqual(given);
        expect(Subscribe.safeParse(subscriptionOf(given)).success).toBe(true);
      }),
    );
  });
});
