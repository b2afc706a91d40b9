import type { PoolColumns } from '../series.ts';
import { parsePoolKey } from '../series.ts';

export interface PoolNow {
  readonly key: string;
  readonly total: number | null;
  readonly used: number | null;
  readonly reserved: number | null;
  readonly surplus: number | null;
}

/**
 * The latest numbers of each pool, the ones that matter first: all nodes before
 * single nodes, non-empty sizes before empty ones. With one node, its rows would only repeat the sum.
 */
export function poolsToShow(pools: ReadonlyMap<string, PoolColumns>): PoolNow[] {
  const all = [...pools].map(([key, columns]) => ({
    ...latest(key, columns),
    ...parsePoolKey(key),
  }));
  const hosts = all.map((pool) => pool.host);
  const repeats = (pool: (typeof all)[number]) =>
    pool.node >= 0 &&
    all.some((other) => other.node < 0 && sameSize(other, pool)) &&
    all.filter((other) => other.node >= 0 && sameSize(other, pool)).length === 1;
  return all
    .filter((pool) => !repeats(pool))
    .sort(
      (a, b) =>
        Number(isEmpty(a)) - Number(isEmpty(b)) ||
        Number(a.node >= 0) - Number(b.node >= 0) ||
        hosts.indexOf(a.host) - hosts.indexOf(b.host) ||
        a.sizeKb - b.sizeKb ||
        a.node - b.node,
    );
}

function latest(key: string, columns: PoolColumns): PoolNow {
  const total = columns.total.at(-1) ?? null;
  const free = columns.free.at(-1) ?? null;
  return {
    key,
    total,
    used: total === null || free === null ? null : total - free,
    reserved: columns.reserved.at(-1) ?? null,
    surplus: columns.surplus.at(-1) ?? null,
  };
}

function sameSize(
  a: { host: string; sizeKb: number },
  b: { host: string; sizeKb: number },
): boolean {
  return a.host === b.host && a.sizeKb === b.sizeKb;
}

function isEmpty(pool: PoolNow): boolean {
  return (pool.total ?? 0) === 0 && (pool.reserved ?? 0) === 0 && (pool.surplus ?? 0) === 0;
}
