import type { Ledger } from '../../../server/protocol/hosts.ts';
import { formatCount } from '../format/number.ts';

/** Events that happened and were not seen, of all places; what is not known counts as none. */
export function lostOf(ledger: Ledger): number {
  return (ledger.not_run ?? 0) + ledger.map_full + ledger.ring_buffer + ledger.rejected;
}

/** What the parts add up to, to be held against `kernel_hits`. */
export function sumOf(ledger: Ledger): number {
  return ledger.decoded + lostOf(ledger) + ledger.in_flight;
}

/** The ledger in a word or two, for the top bar. Losses come first: they do not go away. */
export function ledgerWord(ledger: Ledger): {
  word: string;
  tone: 'good' | 'warn' | 'bad' | 'idle';
} {
  const lost = lostOf(ledger);
  if (ledger.balanced === false) {
    return { word: 'does not add up', tone: 'bad' };
  }
  if (lost > 0) return { word: `${formatCount(lost)} lost`, tone: 'warn' };
  if (ledger.balanced) return { word: 'balanced', tone: 'good' };
  if (ledger.in_flight > 0)
    return { word: `${formatCount(ledger.in_flight)} in flight`, tone: 'idle' };
  return { word: 'not known', tone: 'idle' };
}
