import { formatCount } from '../format/number.ts';
import { Waiting } from '../parts/Empty.tsx';
import { store } from '../session.ts';
import { GapList } from './GapList.tsx';
import { LedgerTable } from './LedgerTable.tsx';
import { PlanTables } from './PlanTables.tsx';
import { RejectedSamples } from './RejectedSamples.tsx';

/** Where every event went, and what cannot be seen at all. */
export function LossesView() {
  const losses = store.losses.value;
  if (losses === null) return <Waiting what="the ledger" />;
  return (
    <div class="losses">
      <h1 class="visually-hidden">Losses</h1>
      <LedgerTable probes={losses.probes} />
      <div class="losses-columns">
        <GapList gaps={losses.gaps} />
        <RejectedSamples samples={losses.samples} />
      </div>
      <PlanTables />
      <p class="foot dim">
        This page: {formatCount(store.received.value)} updates shown,{' '}
        {formatCount(store.coalesced.value)} folded into others because the page was slow. That
        never affects tracing.
      </p>
    </div>
  );
}
