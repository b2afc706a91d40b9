/** Servers that share hosts, each deciding for itself. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decide } from '../../server/nats/shares.ts';

const names = (letter: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${letter}${i}`);

/** Lets servers decide in the order given, then all in turn, until nobody wants anything. */
function settle(owners: Map<string, string>, servers: string[], hosts: string[], order: number[]) {
  const of = (id: string) => {
    return decide({ id, servers, hosts, ownerOf: (host) => owners.get(host) ?? null });
  };
  let moves = 0;
  for (let turn = 0; ; turn++) {
    expect(turn).toBeLessThan(order.length + 20 * servers.length);
    if (servers.every((id) => of(id).take.length === 0 && of(id).leave.length === 0)) return moves;
    const id = servers[(order[turn] ?? turn) % servers.length]!;
    const { take, leave } = of(id);
    for (const host of leave) owners.delete(host);
    for (const host of take) owners.set(host, id);
    moves += take.length;
  }
}

function counts(owners: Map<string, string>, servers: string[]): number[] {
  const of = new Map(servers.map((s) => [s, 0]));
  for (const owner of owners.values()) of.set(owner, (of.get(owner) ?? 0) + 1);
  return [...of.values()];
}

it('come to have each host once, and equal shares, from wherever they begin', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 0, max: 40 }),
      fc.array(fc.nat(8), { maxLength: 40 }),
      fc.array(fc.nat(5), { maxLength: 20 }),
      (serverCount, hostCount, before, order) => {
        const servers = names('s', serverCount);
        const hosts = names('h', hostCount);
        // some are owned by servers that are gone
        const owners = new Map(
          hosts.flatMap((h, i) => (before[i] === undefined ? [] : [[h, `s${before[i]}`]])) as [
            string,
            string,
          ][],
        );
        settle(owners, servers, hosts, order);
        expect([...owners.keys()].sort()).toEqual([...hosts].sort());
        const shares = counts(owners, servers);
        expect(shares).toHaveLength(serverCount);
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
      },
    ),
  );
});

it('move only the hosts of a server that is gone, and the share of one that is new', () => {
  const hosts = names('h', 30);
  const owners = new Map<string, string>();
  settle(owners, ['s0', 's1', 's2'], hosts, []);
  expect(settle(owners, ['s0', 's1'], hosts, [])).toBe(10);
  expect(settle(owners, ['s0', 's1', 's3'], hosts, [])).toBe(10);
  expect(settle(owners, ['s0', 's1', 's3'], hosts, [])).toBe(0);
});

it('take nothing before they have heard of themselves', () => {
  expect(decide({ id: 'x', servers: [], hosts: ['h'], ownerOf: () => null })).toEqual({
    take: [],
    leave: [],
  });
});
