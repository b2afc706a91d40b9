import { type LineSource, TimeChartView } from '../charts/TimeChartView.tsx';
import { Empty } from '../parts/Empty.tsx';
import { Panel } from '../parts/Panel.tsx';
import { parseEndedKey } from '../series.ts';
import { linkTo, store } from '../session.ts';

/** Inodes that ended, by file system, each second. */
export function TeardownPanel() {
  void store.seriesVersion.value;
  const keys = [...store.series.ended.keys()].sort(byImportance);
  const manyHosts = new Set(keys.map((key) => parseEndedKey(key).host)).size > 1;
  const lines: LineSource[] = keys.slice(0, COLOURS.length * 2).map((key, index) => {
    const { host, fs } = parseEndedKey(key);
    return {
      label: manyHosts ? `${host} ${fs}` : fs,
      colour: COLOURS[index % COLOURS.length]!,
      ...(index >= COLOURS.length ? { dash: [4, 3] } : {}),
      values: () => store.series.ended.get(key) ?? [],
    };
  });
  return (
    <Panel title="Inodes ended per second">
      {lines.length > 0 ? (
        <TimeChartView label="Inodes ended per second, by file system" lines={lines} />
      ) : (
        <Empty title="No inode has ended yet.">
          <p>
            What to try: <a href={linkTo({ view: 'inodes', filter: '' })}>Inodes</a>
          </p>
        </Empty>
      )}
    </Panel>
  );
}

/** The file systems this is about keep their colours, whatever else appears. */
function byImportance(a: string, b: string): number {
  const rank = (key: string) => {
    const at = FIRST.indexOf(parseEndedKey(key).fs);
    return at < 0 ? FIRST.length : at;
  };
  return rank(a) - rank(b) || a.localeCompare(b);
}

const FIRST = ['hugetlbfs', 'tmpfs', 'shmem', 'guest_memfd'];
const COLOURS = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5'];
