import type { HugepageRow } from '../../server/protocol/messages.ts';
import { formatAge } from './format/duration.ts';
import { formatCount, plural } from './format/number.ts';
import { extraRefsText, FATE_TEXT, formatPfn } from './inode/hugepageWords.ts';
import { Empty, Waiting } from './parts/Empty.tsx';
import { Foreign } from './parts/Foreign.tsx';
import { Panel } from './parts/Panel.tsx';
import { Scroll } from './parts/Scroll.tsx';
import { linkTo, second, store } from './session.ts';

/** Hugepages that are known to be outside of the pool; those that left their file and did not come back first. */
export function HugepagesView() {
  const rows = store.hugepages.value;
  if (rows === null) return <Waiting what="hugepages" />;
  const sorted = [...rows].sort(
    (a, b) =>
      Number(b.state === 'removed') - Number(a.state === 'removed') || a.since_ms - b.since_ms,
  );
  const removed = sorted.filter((row) => row.state === 'removed').length;
  return (
    <>
      <h1 class="visually-hidden">Hugepages</h1>
      <Panel
        title="Hugepages outside the pool"
        side={
          <span class={removed > 0 ? 'owed' : 'dim'}>
            {removed > 0
              ? `${plural(removed, 'hugepage')} out of the page cache and not free`
              : `${formatCount(rows.length)} in page caches`}
          </span>
        }
      >
        {sorted.length === 0 ? (
          <Empty title="No hugepage is known to be outside the pool.">
            <p>Hugepages appear here once they enter the page cache of a file while tracing.</p>
          </Empty>
        ) : (
          <Table rows={sorted} />
        )}
      </Panel>
    </>
  );
}

function Table({ rows }: { rows: readonly HugepageRow[] }) {
  void second.value;
  const now = store.serverNow();
  const manyHosts = store.hosts.value.length > 1;
  return (
    <Scroll label="Hugepages outside the pool, table" tall>
      <table class="data">
        <thead>
          <tr>
            {manyHosts && <th scope="col">host</th>}
            <th scope="col" class="num">
              pfn
            </th>
            <th scope="col">state</th>
            <th scope="col" class="num">
              for
            </th>
            <th scope="col">extra references</th>
            <th scope="col">inode</th>
            <th scope="col" class="num">
              index
            </th>
            <th scope="col">folio</th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, MOST).map((row) => (
            <tr key={`${row.host} ${row.folio}`} class={row.state === 'removed' ? 'row-owed' : ''}>
              {manyHosts && (
                <td class="mono">
                  <Foreign text={row.host} />
                </td>
              )}
              <td class="num">{formatPfn(row.pfn)}</td>
              <td class={row.state === 'removed' ? 'owed' : ''}>{FATE_TEXT[row.state]}</td>
              <td class="num">{formatAge(now - row.since_ms)}</td>
              <td class="mono">{row.state === 'removed' ? extraRefsText(row.extra_refs) : ''}</td>
              <td class="mono">
                {row.inode === '' ? (
                  <span class="dim">not known</span>
                ) : (
                  <a href={linkTo({ view: 'inode', inode: row.inode })}>
                    <Foreign text={row.fs} /> {row.ino}
                  </a>
                )}
              </td>
              <td class="num">{row.index}</td>
              <td class="mono dim">
                <Foreign text={row.folio} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > MOST && (
        <p class="pad dim">
          The first {MOST} of {formatCount(rows.length)}.
        </p>
      )}
    </Scroll>
  );
}

const MOST = 1000;
