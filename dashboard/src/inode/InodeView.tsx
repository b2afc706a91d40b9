import { useMemo } from 'preact/hooks';
import type { InodeDetail } from '../../../server/protocol/messages.ts';
import { useKeys } from '../keyboard.ts';
import { Empty, Waiting } from '../parts/Empty.tsx';
import { Panel } from '../parts/Panel.tsx';
import { go, route, store } from '../session.ts';
import { TimelineController } from '../timeline/controller.ts';
import { layoutTimeline } from '../timeline/layout.ts';
import { Timeline } from '../timeline/Timeline.tsx';
import { CallbacksOfInode } from './CallbacksOfInode.tsx';
import { Evidence } from './Evidence.tsx';
import { HugepagesOfInode } from './HugepagesOfInode.tsx';
import { InodeHead } from './InodeHead.tsx';
import { LeaksOfInode } from './LeaksOfInode.tsx';
import { RulesOfInode } from './RulesOfInode.tsx';
import { StageList } from './StageList.tsx';

/** One inode's end: the picture, each stage or why it was not seen, and every line of evidence. */
export function InodeView() {
  useKeys([
    { keys: ['Escape', 'u'], help: 'back to the table', run: () => go({ view: 'inodes' }) },
  ]);
  const detail = store.inode.value;
  if (detail === undefined) return <Waiting what={`inode ${route.value.inode}`} />;
  if (detail === null) {
    return (
      <Empty title={`Inode ${route.value.inode} is not known.`}>
        <p>
          {store.replay.value === null
            ? 'It ended long ago and was dropped from memory, or the link is from another session.'
            : 'At this time of the recording it has not begun, or it ended long ago: play on, or jump to a time of its life.'}{' '}
          <button type="button" onClick={() => go({ view: 'inodes', inode: '' })}>
            all inodes
          </button>
        </p>
      </Empty>
    );
  }
  return <Known detail={detail} />;
}

function Known({ detail }: { detail: InodeDetail }) {
  const controller = useMemo(() => new TimelineController(), []);
  const layout = useMemo(() => {
    const now = (store.serverNow() - detail.row.at_ms) * 1e6;
    return layoutTimeline(detail, now);
  }, [detail]);
  return (
    <div class="inode">
      <InodeHead detail={detail} />
      <LeaksOfInode id={detail.row.id} />
      <Panel title="Timeline">
        <Timeline controller={controller} layout={layout} subject={detail.row.id} />
      </Panel>
      <div class="inode-columns">
        <StageList detail={detail} controller={controller} />
        <div>
          <HugepagesOfInode detail={detail} />
          <RulesOfInode rules={detail.rules} />
          <CallbacksOfInode row={detail.callbacks} />
        </div>
      </div>
      <Evidence detail={detail} controller={controller} />
    </div>
  );
}
