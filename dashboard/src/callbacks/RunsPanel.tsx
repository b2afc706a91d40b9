import { BACK_TEXT } from '../../../server/protocol/callback-words.ts';
import type { ByFs } from '../../../server/protocol/report.ts';
import { BACK_WHEN, type BackWhen } from '../../../server/protocol/stages.ts';
import { formatCount } from '../format/number.ts';
import { DurationCell } from '../parts/DurationCell.tsx';
import { Empty } from '../parts/Empty.tsx';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { store } from '../session.ts';
import { evictOf, graceOf } from './spreads.ts';

type OfFs = ByFs[string];

/** What the callbacks did: how long, where, and while which of them hugepages came back. */
export function RunsPanel() {
  const all = Object.entries(store.filesystems.value ?? {})
    .filter(([, { ended }]) => ended > 0)
    .sort(([a], [b]) => a.localeCompare(b));
  const withHugepages = all.some(([, { hugepages_back: back }]) => sumOf(back) > 0);
  return (
    <Panel title="What ran" side={<span class="dim">of each type, over the session</span>}>
      {all.length === 0 ? (
        <Empty title="No inode has ended yet." />
      ) : (
        <Scroll label="What ran, table" tall>
          <table class="data runs">
            <Head withHugepages={withHugepages} />
            <tbody>
              {all.map(([fs, of]) => (
                <Row key={fs} fs={fs} of={of} withHugepages={withHugepages} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}

function Head({ withHugepages }: { withHugepages: boolean }) {
  return (
    <thead>
      <tr>
        <th scope="col" rowSpan={2}>
          fs
        </th>
        <th scope="col" rowSpan={2} class="num">
          ended
        </th>
        <th scope="colgroup" colSpan={2} class="group">
          s_op-&gt;evict_inode took
        </th>
        <th scope="colgroup" colSpan={2} class="group">
          RCU waited
        </th>
        <th scope="colgroup" colSpan={3} class="group">
          i_callback() ran in
        </th>
        {withHugepages && (
          <th scope="colgroup" colSpan={BACK_WHEN.length} class="group">
            hugepages came back
          </th>
        )}
      </tr>
      <tr>
        {['p50', 'p99', 'p50', 'p99', 'softirq', 'ksoftirqd', 'RCU thread'].map((name, i) => (
          <th key={i} scope="col" class="num">
            {name}
          </th>
        ))}
        {withHugepages &&
          BACK_WHEN.map((when) => (
            <th key={when} scope="col" class="num" title={BACK_TEXT[when]}>
              {BACK_WORD[when]}
            </th>
          ))}
      </tr>
    </thead>
  );
}

function Row({ fs, of, withHugepages }: { fs: string; of: OfFs; withHugepages: boolean }) {
  const { softirq, ksoftirqd, rcu_thread } = of.i_callback;
  const latencies = store.latencies.value ?? [];
  const evict = evictOf(latencies, fs);
  const grace = graceOf(latencies, fs);
  return (
    <tr>
      <th scope="row" class="mono">
        <Foreign text={fs} />
      </th>
      <td class="num">{formatCount(of.ended)}</td>
      <DurationCell ns={evict?.p50_ns ?? null} />
      <DurationCell ns={evict?.p99_ns ?? null} />
      <DurationCell ns={grace?.p50_ns ?? null} />
      <DurationCell ns={grace?.p99_ns ?? null} />
      {[softirq, ksoftirqd, rcu_thread].map((count, i) => (
        <Count key={i} count={count} />
      ))}
      {withHugepages &&
        BACK_WHEN.map((when) => (
          <Count key={when} count={of.hugepages_back?.[when] ?? 0} late={LATE.has(when)} />
        ))}
    </tr>
  );
}

/** `late`: not where hugepages are expected to come back. */
function Count({ count, late = false }: { count: number; late?: boolean }) {
  const tone = count === 0 ? ' dim' : late ? ' warn-text' : '';
  return <td class={`num${tone}`}>{formatCount(count)}</td>;
}

function sumOf(back: OfFs['hugepages_back']): number {
  return back === null ? 0 : BACK_WHEN.reduce((sum, when) => sum + back[when], 0);
}

const LATE: ReadonlySet<BackWhen> = new Set(['grace_period', 'later']);

const BACK_WORD: Record<BackWhen, string> = {
  before_evict: 'before',
  evict_inode: 'evict_inode',
  destroy_inode: 'destroy_inode',
  evict: 'evict()',
  grace_period: 'grace',
  later: 'later',
};
