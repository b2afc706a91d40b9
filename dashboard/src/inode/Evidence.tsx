import { useState } from 'preact/hooks';
import type { InodeDetail, TimelineEntry } from '../../../server/protocol/messages.ts';
import { formatDuration, formatOffset } from '../format/duration.ts';
import { formatCount, plural } from '../format/number.ts';
import { Empty } from '../parts/Empty.tsx';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { CONTEXT_TEXT } from '../parts/words.ts';
import type { TimelineController } from '../timeline/controller.ts';

/** Every event known of this inode, one line each, as it was traced. */
export function Evidence(props: { detail: InodeDetail; controller: TimelineController }) {
  const { timeline } = props.detail;
  const evicted = props.detail.stages.some((stage) => stage.stage === 'evict' && stage.ns !== null);
  const since = evicted ? 'since evict' : 'since first seen';
  const [all, showAll] = useState(false);
  const shown = all ? timeline : timeline.slice(0, FIRST);
  return (
    <Panel title="Evidence" side={<span class="dim">{plural(timeline.length, 'event')}</span>}>
      {timeline.length === 0 ? (
        <Empty title="No single events are kept for this inode." />
      ) : (
        <Scroll label="Evidence, table" tall>
          <table class="data">
            <thead>
              <tr>
                <th scope="col" class="num">
                  {since}
                </th>
                <th scope="col" class="num">
                  Δ
                </th>
                <th scope="col">event</th>
                <th scope="col">context</th>
                <th scope="col" class="num">
                  cpu
                </th>
                <th scope="col">task</th>
                <th scope="col">detail</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((entry, index) => (
                <Line
                  // The list is only ever appended to.
                  key={index}
                  entry={entry}
                  before={timeline[index - 1]}
                  controller={props.controller}
                />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {shown.length < timeline.length && (
        <button type="button" onClick={() => showAll(true)}>
          show all {formatCount(timeline.length)}
        </button>
      )}
    </Panel>
  );
}

const FIRST = 300;

function Line(props: {
  entry: TimelineEntry;
  before: TimelineEntry | undefined;
  controller: TimelineController;
}) {
  const { entry, before, controller } = props;
  const borrowed = entry.context !== 'task';
  return (
    <tr
      onPointerEnter={() => controller.highlight(entry.ns)}
      onPointerLeave={() => controller.highlight(null)}
    >
      <td class="num">{formatOffset(entry.ns)}</td>
      <td class="num dim">{before ? formatDuration(entry.ns - before.ns) : ''}</td>
      <th scope="row" class="mono">
        {entry.what}
      </th>
      <td>
        <span class={`context context-${entry.context}`}>{CONTEXT_TEXT[entry.context]}</span>
      </td>
      <td class="num">{entry.cpu < 0 ? '–' : entry.cpu}</td>
      <td
        class={borrowed ? 'mono dim' : 'mono'}
        title={borrowed ? 'the task that was interrupted; not the cause' : ''}
      >
        {borrowed && 'in '}
        <Foreign text={entry.comm} empty={borrowed ? 'pid' : ''} /> {entry.pid}
        {entry.tid !== entry.pid && `/${entry.tid}`}
      </td>
      <td class="mono wrap">
        <Foreign text={entry.detail} />
      </td>
    </tr>
  );
}
