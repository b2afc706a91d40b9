import type { TimelineEntry } from '../../../server/protocol/messages.ts';
import { formatDuration, formatOffset } from '../format/duration.ts';
import { Foreign } from './Foreign.tsx';
import { Scroll } from './Scroll.tsx';
import { CONTEXT_TEXT } from './words.ts';

/** Lines as they were traced, one event each, in the order of time. */
export function LineTable(props: {
  label: string;
  /** What the times are since: the head of their column. */
  since: string;
  lines: readonly TimelineEntry[];
  /** The time of the line under the pointer; null: none. */
  onPoint?: (ns: number | null) => void;
}) {
  const { lines, onPoint = () => {} } = props;
  return (
    <Scroll label={`${props.label}, table`} tall>
      <table class="data">
        <thead>
          <tr>
            <th scope="col" class="num">
              {props.since}
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
          {lines.map((entry, index) => (
            <Line
              // The list is only ever appended to.
              key={index}
              entry={entry}
              before={lines[index - 1]}
              onPoint={onPoint}
            />
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Line(props: {
  entry: TimelineEntry;
  before: TimelineEntry | undefined;
  onPoint: (ns: number | null) => void;
}) {
  const { entry, before, onPoint } = props;
  const borrowed = entry.context !== 'task';
  return (
    <tr onPointerEnter={() => onPoint(entry.ns)} onPointerLeave={() => onPoint(null)}>
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
