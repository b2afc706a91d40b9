import { useEffect } from 'preact/hooks';
import type { CallbackRow } from '../../../server/protocol/messages.ts';
import { formatCount } from '../format/number.ts';
import { Callback } from '../parts/Callback.tsx';
import { Empty, Waiting } from '../parts/Empty.tsx';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { store } from '../session.ts';
import { sayAlso } from '../share/extra.ts';
import { callbacksAsText, POINTERS } from './asText.ts';
import { RunsPanel } from './RunsPanel.tsx';

/** Which functions end an inode of each superblock, and which documented combination that is. */
export function CallbacksView() {
  const rows = store.callbacks.value;
  useEffect(
    () =>
      sayAlso(() => {
        const { callbacks, filesystems, latencies } = store;
        return callbacksAsText(
          callbacks.value ?? [],
          filesystems.value ?? {},
          latencies.value ?? [],
        );
      }),
    [],
  );
  if (rows === null) return <Waiting what="callbacks" />;
  return (
    <div data-apart>
      <h1 class="visually-hidden">Callbacks</h1>
      <Panel
        title="s_op of each superblock seen"
        side={<span class="dim">the rules: Documentation/filesystems/porting.rst</span>}
      >
        {rows.length === 0 ? (
          <Empty title="No superblock has been seen yet.">
            <p>
              A row appears with the first inode of a file system that is evicted while tracing, on
              hosts whose plan can read the s_op table (see Losses, plan).
            </p>
          </Empty>
        ) : (
          <Table rows={rows} />
        )}
      </Panel>
      <RunsPanel />
    </div>
  );
}

function Table({ rows }: { rows: readonly CallbackRow[] }) {
  const manyHosts = store.hosts.value.length > 1;
  return (
    <Scroll label="Callbacks, table" tall>
      <table class="data callbacks">
        <thead>
          <tr>
            {manyHosts && <th scope="col">host</th>}
            <th scope="col">fs</th>
            <th scope="col">dev</th>
            <th scope="col">drop_inode</th>
            <th scope="col">evict_inode</th>
            <th scope="col">destroy_inode</th>
            <th scope="col">free_inode</th>
            <th scope="col" class="num" title="inodes whose RCU callback carried this free_inode">
              confirmed
            </th>
            <th scope="col" class="num" title="inodes that ended otherwise">
              contradicted
            </th>
          </tr>
        </thead>
        {rows.map((row) => (
          <Superblock key={`${row.host} ${row.fs} ${row.dev}`} row={row} withHost={manyHosts} />
        ))}
      </table>
    </Scroll>
  );
}

/** Its functions, and under them the combination they make. */
function Superblock({ row, withHost }: { row: CallbackRow; withHost: boolean }) {
  return (
    <tbody>
      <tr>
        {withHost && (
          <td class="mono">
            <Foreign text={row.host} />
          </td>
        )}
        <th scope="row" class="mono">
          <Foreign text={row.fs} />
        </th>
        <td class="mono">{row.dev}</td>
        {POINTERS.map((name) => (
          <td key={name}>
            <Callback symbol={row[name]} />
          </td>
        ))}
        <td class="num">{formatCount(row.confirmed)}</td>
        <td class={row.contradicted > 0 ? 'num tone-bad' : 'num dim'}>
          {formatCount(row.contradicted)}
        </td>
      </tr>
      <tr class="rule-row">
        <td colSpan={withHost ? 3 : 2} />
        <td colSpan={6} class="wrap">
          <Foreign text={row.rule} />
        </td>
      </tr>
    </tbody>
  );
}
