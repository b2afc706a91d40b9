import type { ComparedRun, Comparison, LatencyChange } from '../../../server/protocol/compare.ts';
import { formatCount, plural } from '../format/number.ts';
import { Empty, Waiting } from '../parts/Empty.tsx';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { store } from '../session.ts';
import { CallbackChanges, OrderChanges } from './Changes.tsx';
import { HugepageChanges, PlanChanges, RuleChanges } from './Counts.tsx';
import { LatencyCard } from './LatencyCard.tsx';
import { RESULT_TONE } from './words.ts';

/** Two recordings side by side: the verdict, what weakens it, and everything it rests on. */
export function CompareView() {
  const comparison = store.compare.value;
  if (comparison === null) {
    return store.hello.value?.mode === 'compare' || store.hello.value === null ? (
      <Waiting what="the comparison" />
    ) : (
      <Empty title="This lastref compares nothing.">
        <p>Two recordings are compared by</p>
        <pre>lastref compare before.lastref after.lastref --page</pre>
      </Empty>
    );
  }
  // a broken promise before a number
  const rulesFirst = comparison.differences.some(({ of }) => of === 'contract');
  return (
    <div class="compare">
      <h1 class="visually-hidden">Compare</h1>
      <Verdict comparison={comparison} />
      {rulesFirst && <RuleChanges comparison={comparison} />}
      <Latencies comparison={comparison} />
      {!rulesFirst && <RuleChanges comparison={comparison} />}
      <div class="compare-columns">
        <HugepageChanges comparison={comparison} />
        <CallbackChanges comparison={comparison} />
      </div>
      <OrderChanges comparison={comparison} />
      <PlanChanges comparison={comparison} />
      <Method comparison={comparison} />
    </div>
  );
}

function Verdict({ comparison }: { comparison: Comparison }) {
  const { text, outcome, differences, weaknesses, a, b } = comparison;
  const tone = outcome === 'differs' ? 'bad' : outcome === 'no difference' ? 'good' : 'warn';
  return (
    <Panel title="Did teardown change?" class="verdict">
      <p class={`verdict-text tone-${tone}`}>
        <Foreign text={text} />
      </p>
      <div class="verdict-lists">
        {differences.length > 1 && (
          <ul class="bullets" aria-label="Differences">
            {differences.map(({ text: said, verdict }) => (
              <li key={said}>
                {verdict === 'suspected' && <span class="tone-warn">suspected: </span>}
                <Foreign text={said} />
              </li>
            ))}
          </ul>
        )}
        {weaknesses.length > 0 && (
          <div>
            <h3 class="tone-warn">what weakens this</h3>
            <ul class="bullets" aria-label="What weakens the comparison">
              {weaknesses.map((weakness) => (
                <li key={weakness}>
                  <Foreign text={weakness} />
                </li>
              ))}
            </ul>
          </div>
        )}
      </div>
      <Scroll label="The two runs, table" tall>
        <table class="data">
          <thead>
            <tr>
              <th scope="col">run</th>
              <th scope="col">recording</th>
              <th scope="col">host</th>
              <th scope="col">kernel</th>
              <th scope="col">bpftrace</th>
              <th scope="col" class="num">
                ended
              </th>
              <th scope="col" class="num">
                unseen
              </th>
              <th scope="col">ledger</th>
            </tr>
          </thead>
          <tbody>
            <RunRows name="A" run={a} />
            <RunRows name="B" run={b} />
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

function RunRows({ name, run }: { name: 'A' | 'B'; run: ComparedRun }) {
  const { balanced } = run.losses;
  const ledger = balanced === null ? 'open' : balanced ? 'balances' : 'does not balance';
  return (
    <>
      {run.epochs.map((epoch, i) => (
        <tr key={epoch.started}>
          <th scope="row">
            <span class={`run run-${name === 'A' ? 0 : 1}`}>{name}</span>
          </th>
          <td class="mono" title={run.file}>
            <Foreign text={run.file.split('/').slice(-2).join('/')} />
          </td>
          <td class="mono">
            <Foreign text={epoch.host} />
          </td>
          <td class="mono">
            <Foreign text={epoch.kernel} />
          </td>
          <td class="mono">
            <Foreign text={epoch.bpftrace} />
          </td>
          {i === 0 && (
            <>
              <td class="num">{formatCount(run.inodes.ended)}</td>
              <td class={run.inodes.lost > 0 ? 'num tone-warn' : 'num dim'}>
                {formatCount(run.inodes.lost)}
              </td>
              <td class={balanced === false ? 'tone-bad' : ''}>{ledger}</td>
            </>
          )}
        </tr>
      ))}
    </>
  );
}

function Latencies({ comparison: { latencies, method } }: { comparison: Comparison }) {
  const order = (change: LatencyChange) =>
    RESULT_TONE[change.result] !== '' ? 0 : change.result === 'too few' ? 2 : 1;
  const sorted = [...latencies].sort((x, y) => order(x) - order(y));
  return (
    <Panel
      title="Time between stages"
      side={
        <span class="dim">
          share of inodes by duration; <span class="run run-0">A</span> solid,{' '}
          <span class="run run-1">B</span> dashed; upright: the medians. Changes below{' '}
          {method.at_least_percent} % do not count
        </span>
      }
    >
      {sorted.length === 0 ? (
        <Empty title="No pair of stages was seen in both runs." />
      ) : (
        <div class="cards">
          {sorted.map((change) => (
            <LatencyCard key={`${change.host} ${change.fs} ${change.pair}`} change={change} />
          ))}
        </div>
      )}
    </Panel>
  );
}

function Method({ comparison: { method } }: { comparison: Comparison }) {
  return (
    <p class="foot dim">
      Inodes that end together are alike, so slices of time are compared: each run is cut into
      slices, the slices are dealt out anew {formatCount(method.permutations)} times, and p is how
      often chance alone moves them as far apart. {plural(method.tests, 'test')}, corrected together
      (Holm), alpha {method.alpha}. Ratios with intervals of {method.confidence_percent} % by block
      bootstrap. This shows that two runs differ, not why: compare two runs of the same kernel
      first.
    </p>
  );
}
