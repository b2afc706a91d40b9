import type { InodeDetail, InodeHugepage } from '../../../server/protocol/messages.ts';
import { formatDuration } from '../format/duration.ts';
import { plural } from '../format/number.ts';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { WHOLE_MAP } from '../route.ts';
import { linkTo, store } from '../session.ts';
import { extraRefsText, FATE_TEXT, formatPfn, isOwed } from './hugepageWords.ts';

/** What became of each hugepage; those still owed come first and are red. */
export function HugepagesOfInode({ detail }: { detail: InodeDetail }) {
  const { row } = detail;
  const pages = [...detail.hugepages].sort(
    (a, b) => Number(isOwed(b, row)) - Number(isOwed(a, row)) || a.index - b.index,
  );
  const leaks = isPinned(row.id);
  const side = row.owed ? <b class="owed">{plural(row.owed, 'page')} owed</b> : null;
  return (
    <Panel title="Hugepages" side={side}>
      {pages.length === 0 ? (
        <p class="dim pad">{row.pages === 0 ? 'It held none.' : 'No single hugepage was seen.'}</p>
      ) : (
        <Scroll label="Hugepages, table">
          <table class="data">
            <thead>
              <tr>
                <th scope="col" class="num">
                  index
                </th>
                <th scope="col" class="num">
                  pfn
                </th>
                <th scope="col">fate</th>
                <th scope="col">extra refs</th>
                <th scope="col" class="num">
                  back after
                </th>
              </tr>
            </thead>
            <tbody>
              {pages.map((page) => (
                <Row
                  key={`${page.folio} ${page.index}`}
                  page={page}
                  owed={isOwed(page, row)}
                  leaked={leaks && page.fate === 'removed'}
                />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}

/** Whether hugepages of this inode are part of a leak that fires. */
function isPinned(id: string): boolean {
  return store.leaks.value.some(
    ({ inode, kind, state }) => inode === id && kind === 'pinned' && state === 'firing',
  );
}

function Row({ page, owed, leaked }: { page: InodeHugepage; owed: boolean; leaked: boolean }) {
  const outside = page.fate === 'cached' || page.fate === 'removed';
  const pfn = formatPfn(page.pfn);
  return (
    <tr class={owed || leaked ? 'row-owed' : ''}>
      <td class="num">{page.index}</td>
      <td class="num" title={`folio ${page.folio}`}>
        {outside && page.pfn !== null ? (
          <a href={linkTo({ ...WHOLE_MAP, page: pfn })} title={`on the map; folio ${page.folio}`}>
            {pfn}
          </a>
        ) : (
          pfn
        )}
      </td>
      <td class={owed || leaked ? 'owed' : ''}>
        {leaked ? `leaked: ${FATE_TEXT.removed}` : FATE_TEXT[page.fate]}
      </td>
      <td class="mono">{extraRefsText(page.extra_refs)}</td>
      <td class="num">{formatDuration(page.back_ns)}</td>
    </tr>
  );
}
