import { STAGE_TEXT } from '../../../server/protocol/stages.ts';
import { formatDuration, formatOffset } from '../format/duration.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { CONTEXT_TEXT } from '../parts/words.ts';
import type { TimelineController } from './controller.ts';
import type { Target } from './hit.ts';

/** Everything about what the pointer rests on. */
export function TimelineTip({ controller }: { controller: TimelineController }) {
  const hovered = controller.hovered.value;
  if (!hovered) return null;
  const { target, x, y } = hovered;
  const left = x > 560;
  return (
    <div
      class="tip"
      style={{
        transform: `translate(calc(${x + (left ? -14 : 14)}px - ${left ? 100 : 0}%), ${y + 16}px)`,
      }}
    >
      <Title target={target} />
      <Facts target={target} />
    </div>
  );
}

function Title({ target }: { target: Target }) {
  const name = target.instant?.what ?? target.slice?.name ?? '';
  const text = STAGE_TEXT[name as keyof typeof STAGE_TEXT];
  return (
    <>
      <b class="mono">{name}</b>
      {text && <p class="dim">{text}</p>}
      {target.slice?.kind === 'wait' && (
        <p class="dim">from destroy_inode to i_callback; readers that still look may finish</p>
      )}
    </>
  );
}

function Facts({ target }: { target: Target }) {
  const { slice, instant, lane } = target;
  const entry = instant?.entry ?? slice?.entry ?? null;
  const start = instant?.ns ?? slice?.from ?? 0;
  const borrowed = entry !== null && entry.context !== 'task';
  return (
    <dl class="facts mono">
      <dt>since evict</dt>
      <dd>{formatOffset(start)}</dd>
      {slice && (
        <>
          <dt>took</dt>
          <dd>{slice.open ? 'its end was not seen' : formatDuration(slice.to - slice.from)}</dd>
        </>
      )}
      {entry && (
        <>
          <dt>context</dt>
          <dd>
            {CONTEXT_TEXT[entry.context]}
            {entry.cpu >= 0 && `, cpu ${entry.cpu}`}
          </dd>
          <dt>{borrowed ? 'interrupted' : 'task'}</dt>
          <dd>
            <Foreign text={entry.comm} /> {entry.pid}/{entry.tid}
            {borrowed && <span class="dim"> not the cause</span>}
          </dd>
          {entry.detail !== '' && (
            <>
              <dt>detail</dt>
              <dd>
                <Foreign text={entry.detail} />
              </dd>
            </>
          )}
        </>
      )}
      {!entry && lane.context === 'waiting' && (
        <>
          <dt>context</dt>
          <dd>none: nothing runs</dd>
        </>
      )}
    </dl>
  );
}
