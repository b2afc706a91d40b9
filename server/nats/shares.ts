/**
 * Which hosts a server takes and which it lets go of, so that N servers come to have each
 * host once and no server more than one host more than another. Every server decides for
 * itself from what all of them see; taking is a compare-and-swap at the broker, so that
 * two that want the same host do not both get it. Who has a host keeps it while that is
 * fair: to move one is to read its epoch again.
 */
export interface Shares {
  /** This server. */
  readonly id: string;
  /** All that run, this one among them. */
  readonly servers: readonly string[];
  readonly hosts: readonly string[];
  /** Whose each host is; one that does not run any more counts as nobody. */
  readonly ownerOf: (host: string) => string | null;
}

export interface Decision {
  readonly take: readonly string[];
  readonly leave: readonly string[];
}

export function decide({ id, servers, hosts, ownerOf }: Shares): Decision {
  const owned = new Map<string, string[]>(servers.map((server) => [server, []]));
  const free: string[] = [];
  for (const host of hosts) {
    const owner = ownerOf(host);
    const list = owner === null ? undefined : owned.get(owner);
    if (list === undefined) free.push(host);
    else list.push(host);
  }
  const mine = owned.get(id);
  if (mine === undefined) return { take: [], leave: [] };
  const quota = quotaOf(id, owned, hosts.length);
  const byScore = (a: string, b: string) => score(id, b) - score(id, a) || (a < b ? -1 : 1);
  if (mine.length > quota) return { take: [], leave: [...mine].sort(byScore).slice(quota) };
  return { take: free.sort(byScore).slice(0, quota - mine.length), leave: [] };
}

/** Those that have most already get one more where it does not come out even. */
function quotaOf(id: string, owned: ReadonlyMap<string, readonly string[]>, hosts: number): number {
  const ranked = [...owned].sort(
    ([a, hostsOfA], [b, hostsOfB]) => hostsOfB.length - hostsOfA.length || (a < b ? -1 : 1),
  );
  const least = Math.floor(hosts / ranked.length);
  const rank = ranked.findIndex(([server]) => server === id);
  return least + (rank < hosts % ranked.length ? 1 : 0);
}

/** Servers try different hosts first; FNV-1a. */
function score(server: string, host: string): number {
  let hash = 0x811c9dc5;
  for (const char of `${server} ${host}`) {
    hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193);
  }
  return hash >>> 0;
}
