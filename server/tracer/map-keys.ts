/** Room in the maps of the kernel side. */
import type { HostFacts } from './facts.ts';
import { hasRingBuffer } from './versions.ts';

const MAPS_OF_LIFECYCLE = 13;

/**
 * Inodes that the maps of the line at the end have room for: a 64th of the memory, and a power of
 * two. An entry stays for a grace period, and 262,144 were enough for 170,000 inodes a second.
 */
export function mapKeys(facts: HostFacts): number {
  // the counts of lines are one of these maps, with a value for each CPU
  const counts = hasRingBuffer(facts.bpftrace) ? 0 : 16 * facts.cpus;
  const bytes = MAPS_OF_LIFECYCLE * 100 + counts;
  const keys = (facts.memoryKb * 1024) / 64 / bytes;
  return 2 ** Math.floor(Math.log2(Math.min(262_144, Math.max(4096, keys))));
}
