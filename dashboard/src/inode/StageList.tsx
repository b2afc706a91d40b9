import type { InodeDetail } from '../../../server/protocol/messages.ts';
import { STAGE_TEXT } from '../../../server/protocol/stages.ts';
import { formatDuration, formatOffset } from '../format/duration.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { CONTEXT_TEXT } from '../parts/words.ts';
import type { TimelineController } from '../timeline/controller.ts';
import { stageRows } from './stageRows.ts';

/** Each stage: when, how long after the one before, in which context, or why it was not seen. */
export function StageList(props: { detail: InodeDetail; controller: TimelineController }) {
  const rows = stageRows(props.detail);
  const seen = rows.filter((row) => row.ns !== null).length;
  return (
    <Panel title="Stages" side={<span class="dim">{`${seen} of ${rows.length} seen`}</span>}>
      <table class="data stages">
        <thead>
          <tr>
            <th scope="col">stage</th>
            <th scope="col" class="num">
              since evict
            </th>
            <th scope="col" class="num">
              after the one before
            </th>
            <th scope="col">context</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr
              key={row.stage}
              class={row.ns === null ? 'not-seen' : ''}
              onPointerEnter={() => props.controller.highlight(row.ns)}
              onPointerLeave={() => props.controller.highlight(null)}
            >
              <th scope="row" class="mono" title={STAGE_TEXT[row.stage]}>
                {row.stage}
              </th>
              {row.ns === null ? (
                <td colSpan={3} class="why">
                  <Foreign text={row.why} empty="not seen" />
                </td>
              ) : (
                <>
                  <td class="num">{formatOffset(row.ns)}</td>
                  <td class="num">{row.delta === null ? '' : formatDuration(row.delta)}</td>
                  <td>
                    <span class={`context context-${row.context}`}>
                      {CONTEXT_TEXT[row.context]}
                    </span>
                  </td>
                </>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}
