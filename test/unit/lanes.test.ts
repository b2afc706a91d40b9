/** The timeline of many inodes: what a page is sent bit by bit is what there is. */
import { describe, expect, it } from 'vitest';
import { LaneStore } from '../../dashboard/src/lanes/laneStore.ts';
import { owed } from '../../server/model/unseen.ts';
import { parseFilter } from '../../server/protocol/filter.ts';
import { LANE_STAGES, LANE_STATES } from '../../server/protocol/lanes.ts';
import { Player } from '../../server/recording/player.ts';
import { Recorded } from '../../server/recording/positions.ts';
import { RecordingReader } from '../../server/recording/reader.ts';
import { LanesFeed } from '../../server/web/lanes.ts';
import { inodeRow } from '../../server/web/rows.ts';
import { RECORDINGS } from '../fixtures/recordings.ts';

const EVERYTHING = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };

function* steps(file: string, count: number) {
  const reader = new RecordingReader(file);
  const recorded = new Recorded(reader);
  const player = new Player(recorded, { keep: 20_000 });
  const { beginMs, endMs } = recorded;
  for (let i = 1; i <= count; i++) {
    player.advance(recorded.at(beginMs + ((endMs - beginMs) * i) / count));
    yield player.pipelines.map((pipeline, epoch) => [epoch, pipeline] as const);
  }
  player.advance(recorded.end);
  yield player.pipelines.map((pipeline, epoch) => [epoch, pipeline] as const);
  reader.close();
}

/** By id, all that is drawn of it. */
function drawn(store: LaneStore): Record<string, unknown> {
  const { columns } = store;
  const all: Record<string, unknown> = {};
  for (let i = 0; i < store.count; i++) {
    if (columns.gone[i] === 1) continue;
    all[store.idOf(i)] = {
      ino: columns.ino[i],
      fs: store.word(columns.fs[i]!),
      comm: store.word(columns.comm[i]!),
      state: LANE_STATES[columns.state[i]!],
      begin: Math.round(columns.begin[i]!),
      stages: LANE_STAGES.map((stage) => columns.stages[stage][i]),
      pages: columns.pages[i],
      owed: columns.owed[i],
      ticks: [...store.ticksOf(i)],
    };
  }
  return all;
}

for (const [name, file] of Object.entries(RECORDINGS)) {
  describe(name, () => {
    it('comes to the same in one piece and bit by bit', () => {
      const store = new LaneStore();
      const feed = new LanesFeed({ filter: parseFilter(''), rowOf: null, ...EVERYTHING });
      const whole = new LaneStore();
      for (const pipelines of steps(file, 60)) {
        for (let block = feed.next(pipelines); block !== null; block = feed.next(pipelines)) {
          store.apply(block);
        }
        whole.apply(
          new LanesFeed({ filter: parseFilter(''), rowOf: null, ...EVERYTHING }).next(pipelines)!,
        );
        expect(Object.keys(drawn(store)).sort()).toEqual(Object.keys(drawn(whole)).sort());
      }
      // what is over for long is not sent again, and may lie a late line behind; all else is the same
      expect(drawn(store)).toEqual(drawn(whole));
    });

    it('has the inodes of the model that a filter lets through, and no others', () => {
      const filter = parseFilter('pages>0 -comm:nobody');
      const store = new LaneStore();
      const rowOf = inodeRow;
      const feed = new LanesFeed({ filter, rowOf, ...EVERYTHING });
      let expected: string[] = [];
      for (const pipelines of steps(file, 20)) {
        for (let block = feed.next(pipelines); block !== null; block = feed.next(pipelines)) {
          store.apply(block);
        }
        expected = pipelines.flatMap(([epoch, pipeline]) =>
          pipeline.wallMs(0) === 0
            ? []
            : [...pipeline.model.inodes.all()]
                .filter((inode) => !inode.canary && filter(inodeRow(pipeline, epoch, inode)))
                .map((inode) => `${epoch}.${inode.number}`),
        );
      }
      expect(Object.keys(drawn(store)).sort()).toEqual(expected.sort());
    });
  });
}

it('sends only what was there in the time that is asked for', () => {
  const all = [...steps(RECORDINGS.demo!, 1)].at(-1)!;
  const [epoch, pipeline] = all[0]!;
  const inodes = [...pipeline.model.inodes.all()].filter((inode) => !inode.canary);
  const at = pipeline.wallMs(inodes[20]!.began);
  const feed = new LanesFeed({ filter: parseFilter(''), rowOf: null, from: at, to: at + 5 });
  const store = new LaneStore();
  store.apply(feed.next(all)!);
  const wanted = inodes.filter((inode) => {
    const begins = pipeline.wallMs(inode.began) <= at + 5;
    return begins && (pipeline.wallMs(inode.last) >= at || owed(inode) > 0);
  });
  expect(wanted.length).toBeGreaterThan(0);
  expect(store.count).toBeLessThan(inodes.length / 4);
  for (const inode of wanted)
    expect(store.indexOf(`${epoch}.${inode.number}`)).toBeGreaterThanOrEqual(0);
});
