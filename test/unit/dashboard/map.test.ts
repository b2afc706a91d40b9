/** The map of a pool: what each cell is, where it lies, and how one is found again. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CELL_STATES,
  type CellState,
  poolCells,
  stateOfRow,
} from '../../../dashboard/src/hugepages/cells.ts';
import {
  cellOfKey,
  chosenPool,
  countedLeaks,
  keyOfCell,
  keyOfPool,
  nextOf,
  pagesOfPool,
  poolsToMap,
} from '../../../dashboard/src/hugepages/choose.ts';
import { cellAt, cornerOf, gridOf, moveBy } from '../../../dashboard/src/hugepages/grid.ts';
import { holdersOf } from '../../../dashboard/src/hugepages/holders.ts';
import { notesOf, summaryOf } from '../../../dashboard/src/hugepages/words.ts';
import type { HugepagesOfPool, LeakRow, PoolRow } from '../../../server/protocol/pool-map.ts';

const pool = (some: Partial<PoolRow> = {}): PoolRow => ({
  host: 'box',
  size_kb: 2048,
  node: -1,
  total: 16,
  free: 12,
  reserved: 0,
  surplus: 0,
  ...some,
});

interface Page {
  readonly pfn: number | null;
  readonly state: 0 | 1 | 2;
  readonly leak: boolean;
  readonly inode?: number;
}

function table(pages: readonly Page[], leftOut = 0): HugepagesOfPool {
  return {
    host: 'box',
    size_kb: 2048,
    inodes: [
      { id: '0.1', fs: 'hugetlbfs', dev: '0:17', ino: 7 },
      { id: '0.2', fs: 'hugetlbfs', dev: '0:17', ino: 8 },
    ],
    tasks: [],
    leaks: ['1.pinned.1'],
    pfn: pages.map(({ pfn }) => pfn),
    folio: pages.map((_, i) => `ff${String(i).padStart(14, '0')}`),
    state: pages.map(({ state }) => state),
    inode: pages.map(({ inode }) => inode ?? 0),
    index: pages.map((_, i) => i),
    extra_refs: pages.map(() => null),
    since_ms: pages.map(() => 0),
    taker: pages.map(() => -1),
    leak: pages.map(({ leak }) => (leak ? 0 : -1)),
    left_out: leftOut,
  };
}

const anyPage: fc.Arbitrary<Page> = fc.record({
  pfn: fc.option(fc.integer({ min: 0, max: 1e9 })),
  state: fc.constantFrom(0, 1, 2),
  leak: fc.boolean(),
  inode: fc.constantFrom(-1, 0, 1),
});
const anyPages = fc.option(
  fc
    .uniqueArray(anyPage, { maxLength: 60, selector: ({ pfn }) => pfn ?? Math.random() })
    .map((pages) => table(pages)),
);
/** Also counters that cannot be. */
const anyPool = fc
  .record({
    total: fc.integer({ min: -3, max: 200 }),
    free: fc.integer({ min: -3, max: 300 }),
    reserved: fc.oneof(fc.constant(null), fc.integer({ min: -3, max: 300 }), fc.constant(-1)),
    surplus: fc.integer({ min: 0, max: 300 }),
  })
  .map((some) => pool(some));
const anyLeaks = fc.record({
  reserved: fc.integer({ min: -2, max: 300 }),
  unseen: fc.integer({ min: -2, max: 300 }),
  free: fc.integer({ min: -2, max: 300 }),
});

describe('cells', () => {
  it('are as many as the pool has hugepages, whatever lines and counters say', () => {
    fc.assert(
      fc.property(anyPool, anyPages, anyLeaks, (any, pages, leaks) => {
        const cells = poolCells(any, pages, leaks);
        const total = Math.max(0, any.total);
        expect(cells.states).toHaveLength(total);
        const counted = Object.fromEntries(CELL_STATES.map((state) => [state, 0]));
        for (const code of cells.states) counted[CELL_STATES[code]!]!++;
        expect(counted).toEqual(cells.counts);
        expect(Object.values(cells.counts).reduce((a, b) => a + b, 0)).toBe(total);
        // each known one once, in its state, in the order of page frames
        const rows = [...cells.rows].filter((row) => row >= 0);
        expect(new Set(rows).size).toBe(rows.length);
        expect(rows.length + cells.beyond).toBe(pages?.pfn.length ?? 0);
        cells.rows.forEach((row, cell) => {
          if (row >= 0) expect(CELL_STATES[cells.states[cell]!]).toBe(stateOfRow(pages!, row));
        });
        const pfns = rows.map((row) => pages!.pfn[row] ?? Number.POSITIVE_INFINITY);
        expect(pfns).toEqual([...pfns].sort((a, b) => a - b));
      }),
    );
  });

  it('say what the counters say, where lines do not say more', () => {
    fc.assert(
      fc.property(
        fc.nat(200),
        fc.nat(200),
        fc.nat(200),
        fc.array(anyPage, { maxLength: 60 }),
        (free, used, reserved, pages) => {
          fc.pre(reserved <= free && pages.length <= used);
          const any = pool({ total: free + used, free, reserved });
          const { counts, ahead, beyond, overReserved } = poolCells(any, table(pages));
          expect(counts.free + counts.reserved).toBe(free);
          expect(counts.reserved).toBe(reserved);
          expect(counts.unseen).toBe(used - pages.length);
          expect([ahead, beyond, overReserved]).toEqual([0, 0, 0]);
        },
      ),
    );
  });

  it('keep those that leak when there is no room for all', () => {
    const cached = Array.from({ length: 20 }, (_, i): Page => ({ pfn: i, state: 0, leak: false }));
    const { counts, beyond } = poolCells(
      pool(),
      table([...cached, { pfn: 99, state: 2, leak: true }]),
    );
    expect(counts).toMatchObject({ leaked: 1, cached: 15 });
    expect(beyond).toBe(5);
  });

  it('show a leak that only counters know, where the counter has it', () => {
    const leaks = { reserved: 2, unseen: 1, free: 1 };
    const { counts, states } = poolCells(pool({ reserved: 5 }), null, leaks);
    expect(counts).toMatchObject({ lost: 4, unseen: 3, reserved: 3, free: 6 });
    const at = (code: number) => CELL_STATES[code];
    expect([...states].map(at).join(' ')).toBe(
      'lost unseen unseen unseen lost lost reserved reserved reserved lost free free free free free free',
    );
  });

  it('say where lines and counters differ', () => {
    const pages = table([{ pfn: 1, state: 0, leak: false }], 3);
    const of = (some: Partial<PoolRow>) => {
      const any = pool(some);
      return notesOf(any, poolCells(any, pages), pages.left_out).join(' ');
    };
    expect(of({ free: 16 })).toContain('1 hugepage more in use than the counters');
    expect(of({ reserved: 14 })).toContain('2 more are reserved than are free');
    expect(of({ reserved: -4 })).toContain('below zero');
    expect(of({ surplus: 2 })).toContain('do not say which');
    expect(of({ node: 0, reserved: null })).toContain('not told');
    expect(of({})).toContain('3 known hugepages counted as in use');
  });

  it('are a sentence for those who do not see them', () => {
    const pages = table([{ pfn: 1, state: 2, leak: true }]);
    expect(summaryOf(pool(), poolCells(pool(), pages))).toBe(
      'Pool of box 2 MiB, 16 hugepages: 1 leaked, 3 in use, not seen, 12 free.',
    );
  });
});

describe('the grid', () => {
  const anyGrid = fc
    .record({
      count: fc.integer({ min: 0, max: 20_000 }),
      width: fc.integer({ min: 1, max: 4000 }),
      height: fc.integer({ min: 1, max: 1200 }),
      ratio: fc.constantFrom(1, 1.25, 1.5, 2, 3),
    })
    .map(({ count, width, height, ratio }) => gridOf(count, width, height, ratio));

  it('has each cell in one place, where a pointer finds it', () => {
    fc.assert(
      fc.property(anyGrid, fc.nat(), (grid, any) => {
        expect(grid.rows * grid.columns).toBeGreaterThanOrEqual(grid.count);
        if (grid.count === 0) return;
        const cell = any % grid.count;
        const { x, y } = cornerOf(grid, cell);
        expect(cellAt(grid, x + grid.pitch / 2, y + grid.pitch / 2)).toBe(cell);
      }),
    );
  });

  it('has no cell beside them', () => {
    const grid = gridOf(5, 60, 100);
    expect(cellAt(grid, -1, 5)).toBe(-1);
    expect(cellAt(grid, grid.columns * grid.pitch + 1, 5)).toBe(-1);
    expect(cellAt(grid, 5, grid.rows * grid.pitch + 1)).toBe(-1);
  });

  it('takes large cells for few, small ones for many, and then scrolls', () => {
    expect(gridOf(64, 1100, 360).pitch).toBe(26);
    expect(gridOf(4096, 1100, 360).pitch).toBe(9);
    expect(gridOf(16_384, 1100, 360).pitch).toBe(7);
    expect(gridOf(16_384, 3600, 900).pitch).toBe(13);
  });

  it('is moved in by arrows and never left', () => {
    fc.assert(
      fc.property(
        anyGrid,
        fc.array(fc.constantFrom('ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End')),
        (grid, keys) => {
          let at = -1;
          for (const key of keys) {
            const to = moveBy(grid, at, key);
            if (grid.count === 0) expect(to).toBe(null);
            else {
              expect(to).toBeGreaterThanOrEqual(0);
              expect(to).toBeLessThan(grid.count);
              at = to!;
            }
          }
        },
      ),
    );
    expect(moveBy(gridOf(9, 80, 999), 4, 'x')).toBe(null);
  });
});

describe('what is chosen', () => {
  it('is found again by its key, however the cells move', () => {
    fc.assert(
      fc.property(anyPool, anyPages, fc.nat(), (any, pages, place) => {
        const cells = poolCells(any, pages);
        if (cells.states.length === 0) return;
        const cell = place % cells.states.length;
        expect(cellOfKey(cells, pages, keyOfCell(cells, pages, cell))).toBe(cell);
      }),
    );
    const cells = poolCells(pool(), null);
    for (const key of ['', 'cell99', 'cellx', '0x1', 'ff']) {
      expect(cellOfKey(cells, null, key)).toBe(-1);
    }
  });

  it('goes from one to the next of a state, by default of the worst, around the end', () => {
    const pages = table([
      { pfn: 1, state: 2, leak: true },
      { pfn: 2, state: 0, leak: false },
      { pfn: 3, state: 2, leak: true },
    ]);
    const cells = poolCells(pool(), pages);
    const walk = (by: 1 | -1, filter: CellState | '') => {
      const seen = [nextOf(cells, -1, by, filter)];
      for (let i = 0; i < 2; i++) seen.push(nextOf(cells, seen.at(-1)!, by, filter));
      return seen;
    };
    expect(walk(1, '')).toEqual([0, 2, 0]);
    expect(walk(-1, '')).toEqual([2, 0, 2]);
    expect(walk(1, 'cached')).toEqual([1, 1, 1]);
    expect(nextOf(cells, 0, 1, 'held')).toBe(-1);
    expect(nextOf(poolCells(pool({ total: 0 }), null), -1, 1, '')).toBe(-1);
  });

  it('is a pool with hugepages; of nodes only when there are several', () => {
    const whole = pool();
    const empty = pool({ size_kb: 1_048_576, total: 0, free: 0 });
    const nodes = [pool({ node: 0, total: 8 }), pool({ node: 1, total: 8 })];
    expect(poolsToMap([whole, nodes[0]!, empty], [])).toEqual([whole]);
    expect(poolsToMap([...nodes, whole, empty], [])).toEqual([whole, ...nodes]);
    expect(poolsToMap([empty], [])).toEqual([empty]);
    // hugepages without counters are a pool of what is known
    const pages = table([{ pfn: 1, state: 0, leak: false }]);
    expect(poolsToMap([], [pages])).toMatchObject([{ total: 1, free: 0, reserved: null }]);
    expect(pagesOfPool([pages], whole)).toBe(pages);
    expect(pagesOfPool([pages], nodes[0]!)).toBe(null);
  });

  it('is the pool of the address, else that of the chosen inode or hugepage', () => {
    const [small, large] = [pool(), pool({ size_kb: 1_048_576 })];
    const pages = { ...table([{ pfn: 0x99, state: 0, leak: false }]), size_kb: 1_048_576 };
    const choose = (some: object) =>
      chosenPool([small, large], [pages], { pool: '', of: '', page: '', ...some });
    expect(choose({ pool: keyOfPool(small), of: '0.1' })).toBe(small);
    expect(choose({ of: '0.1' })).toBe(large);
    expect(choose({ page: '0x99' })).toBe(large);
    expect(choose({ page: '0x98' })).toBe(large); // the first that has some
    expect(chosenPool([small, large], [], { pool: 'x', of: '', page: '' })).toBe(small);
    expect(chosenPool([], [], { pool: '', of: '', page: '' })).toBe(undefined);
  });
});

it('counts leaks that only counters know for the pool of their size', () => {
  const leak = (kind: LeakRow['kind'], pages: number, size = 2 << 20) =>
    ({ kind, host: 'box', pages, bytes: pages * size }) as LeakRow;
  const leaks = [
    leak('reservation', 2),
    leak('reservation', 1),
    leak('reservation', 4, 1 << 30),
    leak('pool drift', 3),
    leak('surplus', 5),
    leak('pinned', 6),
    { ...leak('surplus', 7), host: 'other' },
  ];
  expect(countedLeaks(leaks, pool())).toEqual({ reserved: 3, unseen: 3, free: 5 });
  expect(countedLeaks(leaks, pool({ node: 0 }))).toEqual({ reserved: 0, unseen: 0, free: 0 });
});

it('tells who has what, leaks first, and who is only promised some', () => {
  const pages = table([
    { pfn: 1, state: 0, leak: false },
    { pfn: 2, state: 0, leak: true },
    { pfn: 3, state: 2, leak: true, inode: 1 },
    { pfn: 4, state: 1, leak: false, inode: -1 },
  ]);
  const row = { host: 'box', fs: 'hugetlbfs', dev: '0:17', ino: 9, size_kb: 2048 } as const;
  const promised = [
    { ...row, inode: '0.9', pages: 5, exact: false, doubtful: false },
    { ...row, inode: '0.1', pages: 1, exact: true, doubtful: false },
    { ...row, inode: '0.8', size_kb: 1_048_576, pages: 5, exact: true, doubtful: false },
  ];
  expect(
    holdersOf(pool(), pages, promised).map(
      (h) => `${h.id} ${h.leaked} ${h.owed} ${h.cached} ${h.private} ${h.promised?.pages ?? '-'}`,
    ),
  ).toEqual(['0.2 1 0 0 0 -', '0.9 0 0 0 0 5', '0.1 0 0 2 0 1', ' 0 0 0 1 -']);
});
