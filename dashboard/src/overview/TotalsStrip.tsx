import { formatCount } from '../format/number.ts';
import { linkTo, store } from '../session.ts';

/** The session in five numbers. What is owed is red: that is what one came for. */
export function TotalsStrip() {
  const totals = store.totals.value;
  const outstanding = totals?.hugepages_outstanding ?? 0;
  return (
    <dl class="totals">
      <Total label="inodes live" value={totals?.inodes_live} />
      <Total label="inodes ended" value={totals?.inodes_ended} />
      {(totals?.inodes_lost ?? 0) > 0 && (
        <Total label="of them lost in a gap" value={totals?.inodes_lost} />
      )}
      <Total label="hugepages freed" value={totals?.hugepages_freed} />
      <Total label="attributed to an inode" value={totals?.hugepages_attributed} />
      <div class={outstanding > 0 ? 'total total-bad' : 'total'}>
        <dt>hugepages outstanding</dt>
        <dd>
          {outstanding > 0 ? (
            <a href={linkTo({ view: 'inodes', filter: 'owed>0' })}>{formatCount(outstanding)}</a>
          ) : (
            formatCount(totals?.hugepages_outstanding ?? null)
          )}
        </dd>
      </div>
    </dl>
  );
}

function Total({ label, value }: { label: string; value: number | null | undefined }) {
  return (
    <div class="total">
      <dt>{label}</dt>
      <dd>{formatCount(value ?? null)}</dd>
    </div>
  );
}
