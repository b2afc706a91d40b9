import { Foreign } from '../parts/Foreign.tsx';
import { CONTEXT_TEXT } from '../parts/words.ts';
import { store } from '../session.ts';
import type { LanesController } from './controller.ts';
import { factsOf } from './words.ts';

/** Everything about the inode that the pointer rests on. */
export function LaneTip({ controller }: { controller: LanesController }) {
  const hovered = controller.hovered.value;
  if (hovered === null || hovered.index >= store.lanes.count) return null;
  const { index, x, y } = hovered;
  const facts = factsOf(store.lanes, index, (store.shownAt.peek() - store.lanes.baseMs) * 1e6);
  const left = x > 620;
  const up = y > 260;
  const place = `translate(calc(${x + (left ? -14 : 14)}px - ${left ? 100 : 0}%), calc(${y + (up ? -10 : 18)}px - ${up ? 100 : 0}%))`;
  return (
    <div class="tip" style={{ transform: place }}>
      <b class="mono">
        <Foreign text={facts.fs} /> ino {facts.ino}
      </b>{' '}
      <span class="dim">
        {facts.state} · dev <Foreign text={facts.dev} />
      </span>
      <dl class="facts mono">
        <dt>evicted at</dt>
        <dd>{facts.at}</dd>
        <dt>task</dt>
        <dd>
          <Foreign text={facts.comm} /> {facts.pid > 0 && facts.pid}
        </dd>
        <dt>evict</dt>
        <dd>
          {facts.evict}
          <span class="dim"> of it evict_inode {facts.inner}</span>
        </dd>
        <dt>grace period</dt>
        <dd>{facts.wait}</dd>
        {facts.context !== '' && (
          <>
            <dt>RCU in</dt>
            <dd>{CONTEXT_TEXT[facts.context as keyof typeof CONTEXT_TEXT]}</dd>
          </>
        )}
        {facts.hugepages !== '' && (
          <>
            <dt>hugepages</dt>
            <dd class={facts.owed > 0 ? 'tone-bad' : ''}>{facts.hugepages}</dd>
          </>
        )}
        {facts.doubtful && (
          <>
            <dt>doubtful</dt>
            <dd>events were lost while it lived</dd>
          </>
        )}
      </dl>
      <p class="dim">click pins · double click opens</p>
    </div>
  );
}
