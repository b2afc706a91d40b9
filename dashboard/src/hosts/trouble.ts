import type { HostState } from '../../../server/protocol/hosts.ts';
import { formatAge } from '../format/duration.ts';
import { plural } from '../format/number.ts';
import { lostOf } from '../shell/ledgerText.ts';

/** A tick comes ten times a second; three seconds without one are worth a word. */
export const SILENT_MS = 3000;

/** With more hosts than this they are counted in the bar and the notices, and not named. */
export const NAMED = 4;

export type Tone = 'bad' | 'warn' | 'good';

export interface Trouble {
  readonly tone: Tone;
  /** In words; empty when all is well. The worst comes first. */
  readonly words: readonly string[];
  /** The larger, the sooner somebody should look. */
  readonly rank: number;
}

/** What is wrong with a host: whether it can be traced, what it has lost, what we have lost. */
export function troubleOf(host: HostState): Trouble {
  const { leaks, broken, suspected, ledger, gaps } = host;
  const lost = lostOf(ledger);
  const size = leaks.pages === 0 ? '' : `, ${plural(leaks.pages, 'hugepage')}`;
  const silent = host.status === 'ready' && (host.silent_ms ?? 0) > SILENT_MS;
  const found: [boolean, Tone, string][] = [
    [host.status === 'failed', 'bad', 'cannot be traced'],
    [leaks.certain, 'bad', `${plural(leaks.firing, 'leak')}${size}`],
    [broken > 0, 'bad', `${plural(broken, 'breach', 'breaches')} of the contract`],
    [ledger.balanced === false, 'bad', 'ledger does not add up'],
    [host.status === 'blind', 'bad', 'no probe runs'],
    [host.status === 'restarting', 'bad', 'tracing is down'],
    [silent, 'warn', `silent for ${formatAge(host.silent_ms ?? 0)}`],
    [!leaks.certain && leaks.firing > 0, 'warn', `${plural(leaks.firing, 'suspected leak')}`],
    [suspected > 0, 'warn', `${plural(suspected, 'suspected breach', 'suspected breaches')}`],
    [lost > 0, 'warn', `${plural(lost, 'event')} lost`],
    [lost === 0 && gaps > 0, 'warn', plural(gaps, 'gap')],
    [host.status !== 'ready' && host.status !== 'failed', 'warn', host.status],
  ];
  const here = found.filter(([is]) => is);
  const first = found.findIndex(([is]) => is);
  return {
    tone: here.some(([, tone]) => tone === 'bad') ? 'bad' : here.length > 0 ? 'warn' : 'good',
    words: here.map(([, , words]) => words),
    rank: first < 0 ? 0 : found.length - first,
  };
}

/** Those in trouble first, the worst on top; the others in their order. */
export function byTrouble(hosts: readonly HostState[]): readonly HostState[] {
  return hosts
    .map((host, order) => ({ host, order, rank: troubleOf(host).rank }))
    .sort((a, b) => b.rank - a.rank || a.order - b.order)
    .map(({ host }) => host);
}
