import type { HostState, HostsUpdate } from '../../server/protocol/hosts.ts';
import type { Update } from '../../server/protocol/messages.ts';

/**
 * Two updates as one: the later one's sections replace the earlier one's, but for the
 * hosts, of which each tells what changed. Series are not folded; they are appended where
 * they arrive.
 */
export function foldUpdates(earlier: Update | null, later: Update): Update {
  if (!earlier || earlier.view !== later.view) return later;
  const coalesced = earlier.coalesced + later.coalesced;
  const hosts = foldHosts(earlier.hosts, later.hosts);
  return { ...earlier, ...later, ...(hosts ? { hosts } : {}), coalesced };
}

function foldHosts(
  earlier: HostsUpdate | undefined,
  later: HostsUpdate | undefined,
): HostsUpdate | undefined {
  if (!earlier || !later) return later ?? earlier;
  const changes = new Map(earlier.changed.map((change) => [change.host, change]));
  for (const change of later.changed) {
    changes.set(change.host, { ...changes.get(change.host), ...change });
  }
  const names = later.names ?? earlier.names;
  return { ...(names ? { names } : {}), changed: [...changes.values()] };
}

/** The hosts after an update. A change of a host that was never told whole is left out. */
export function applyHosts(
  hosts: readonly HostState[],
  { names, changed }: HostsUpdate,
): readonly HostState[] {
  const known = new Map(hosts.map((host) => [host.host, host]));
  for (const change of changed) {
    const before = known.get(change.host);
    if (before !== undefined || isWholeHost(change)) {
      known.set(change.host, { ...before, ...change } as HostState);
    }
  }
  return (names ?? hosts.map(({ host }) => host)).flatMap((name) => known.get(name) ?? []);
}

function isWholeHost(change: Partial<HostState>): change is HostState {
  return change.status !== undefined && change.ledger !== undefined;
}
