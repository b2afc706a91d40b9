import { useState } from 'preact/hooks';
import type { InodeDetail } from '../../../server/protocol/messages.ts';
import { formatCount, plural } from '../format/number.ts';
import { Empty } from '../parts/Empty.tsx';
import { LineTable } from '../parts/LineTable.tsx';
import { Panel } from '../parts/Panel.tsx';
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
        <LineTable
          label="Evidence"
          since={since}
          lines={shown}
          onPoint={(ns) => props.controller.highlight(ns)}
        />
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
