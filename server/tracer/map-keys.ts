/** Room in the maps of the kernel side. */
import type { HostFacts } from './facts.ts';
import { hasRingBuffer, isBpftrace } from './versions.ts';

const MAPS_OF_LIFECYCLE = 13;

/** What tells bpftrace how many entries each map has room for. */
export function mapKeysVariable({ bpftrace }: HostFacts): string {
  return `BPFTRACE_${isBpftrace(bpftrace, 20) ? 'MAX_MAP_KEYS' : 'MAP_KEYS_MAX'}`;
}

/**
 * Entries that each map has room for: a 64th of the memory, and a power of two. Where one line tells
 * of an inode at its end, an entry stays for a grace period, and 262,144 were enough for 170,000
 * inodes a second. Steps note mounts, and hugepages that are private to a mapping, of which a guest
 * of 16 GiB has more than the 4,096 that bpftrace has room for by itself.
 */
export function mapKeys(facts: HostFacts): number {
  // the counts of lines are one of these maps, with a value for each CPU
  const counts = hasRingBuffer(facts.bpftrace) ? 0 : 16 * facts.cpus;
  const bytes = MAPS_OF_LIFECYCLE * 100 + counts;
  const keys = (facts.memoryKb * 1024) / 64 / bytes;
  return 2 ** Math.floor(Math.log2(Math.min(262_144, Math.max(4096, keys))));
}
