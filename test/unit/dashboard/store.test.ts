import { describe, expect, it } from 'vitest';
import { Store } from '../../../dashboard/src/store.ts';
import type { HostState } from '../../../server/protocol/hosts.ts';
import type { Totals, Update } from '../../../server/protocol/messages.ts';

const totals = (ended: number): Totals => ({
  inodes_live: 0,
  inodes_ended: ended,
  inodes_lost: 0,
  hugepages_freed: 0,
  hugepages_attributed: 0,
  hugepages_outstanding: 0,
});

function update(change: Partial<Update>): Update {
  return { type: 'update', seq: 0, view: 'overview', coalesced: 0, now_ms: 1000, ...change };
}

const whole = (ended: number, now_ms: number): Update =>
  update({
    now_ms,
    hosts: { names: [], changed: [] },
    totals: totals(ended),
    series: { reset: true, t: [], ended: {}, pools: {}, events: [], lost: [] },
  });

/** A store whose frame is run by hand. */
function makeStore() {
  const store = new Store(
    () => {},
    () => 0,
  );
  const show = (message: Update) => {
    store.receive(message);
    store.commit();
  };
  return { store, show };
}

describe('Store', () => {
  it('shows nothing before the frame, then everything that came', () => {
    const { store } = makeStore();
    store.receive(whole(1, 1000));
    store.receive(update({ totals: totals(2) }));
    expect(store.totals.value).toBeNull();
    store.commit();
    expect(store.totals.value?.inodes_ended).toBe(2);
    expect(store.latencies.value).toBeNull();
  });

  it('freezes what is shown while paused, tells how far behind, and catches up', () => {
    const { store, show } = makeStore();
    show(whole(1, 1000));
    store.setPaused(true);
    show(update({ totals: totals(2), now_ms: 4000 }));
    show(update({ coalesced: 3, now_ms: 5000 }));
    expect(store.totals.value?.inodes_ended).toBe(1);
    expect(store.held.value).toBe(2);
    expect(store.latestAt.value - store.shownAt.value).toBe(4000);
    store.setPaused(false);
    expect(store.totals.value?.inodes_ended).toBe(2);
    expect(store.shownAt.value).toBe(5000);
    expect(store.coalesced.value).toBe(3);
  });

  it('keeps the health of hosts live while paused', () => {
    const { store, show } = makeStore();
    show(whole(1, 1000));
    store.setPaused(true);
    const vm = { host: 'vm', status: 'failed', ledger: {} } as HostState;
    show(update({ hosts: { names: ['vm'], changed: [vm] } }));
    expect(store.hosts.value).toEqual([vm]);
  });

  it('lets the answer to a new subscription through a pause, once', () => {
    const { store, show } = makeStore();
    show(whole(1, 1000));
    store.setPaused(true);
    store.expectAnswer();
    show(whole(5, 2000));
    show(update({ totals: totals(6), now_ms: 3000 }));
    expect(store.totals.value?.inodes_ended).toBe(5);
    expect(store.shownAt.value).toBe(2000);
  });

  it('does not mix what was held of one view into another', () => {
    const { store, show } = makeStore();
    show(whole(1, 1000));
    store.setPaused(true);
    show(update({ totals: totals(2) }));
    store.expectAnswer();
    show(update({ view: 'callbacks', hosts: { names: [], changed: [] }, callbacks: [] }));
    store.setPaused(false);
    expect(store.callbacks.value).toEqual([]);
    expect(store.totals.value?.inodes_ended).toBe(1);
  });

  it('tells an inode that is not known from one that was not answered yet', () => {
    const { store, show } = makeStore();
    show(update({ view: 'inode', hosts: { names: [], changed: [] } }));
    expect(store.inode.value).toBeUndefined();
    show(update({ view: 'inode', inode: null }));
    expect(store.inode.value).toBeNull();
  });

  it('remembers an error until the next subscription', () => {
    const { store } = makeStore();
    store.receive({ type: 'error', message: 'no such key', at: 4 });
    expect(store.error.value?.at).toBe(4);
    store.expectAnswer();
    expect(store.error.value).toBeNull();
  });
});
