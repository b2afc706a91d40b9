import { effect } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { formatCount } from '../format/number.ts';
import { useKeys } from '../keyboard.ts';
import { Waiting } from '../parts/Empty.tsx';
import { go, inodeWindow, route, store } from '../session.ts';
import { columnsFor, tableWidth } from './columns.ts';
import { FirstInode, NoMatch } from './EmptyTable.tsx';
import { FilterBox } from './FilterBox.tsx';
import { InodeTableHead } from './InodeTableHead.tsx';
import { RowTable } from './rowTable.ts';

/** Every inode of the session in one table: filtered and sorted by the server, drawn by `RowTable`. */
export function InodesView() {
  const { filter, sort, descending, follow, host } = route.value;
  const manyHosts = store.hosts.value.length > 1 && host === '';
  const columns = useMemo(() => columnsFor(manyHosts), [manyHosts]);
  const scroller = useRef<HTMLDivElement>(null);
  const spacer = useRef<HTMLDivElement>(null);
  const element = useRef<HTMLTableElement>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const table = useMemo(makeTable, []);
  table.setColumns(columns);

  useEffect(() => {
    const detach = table.attach({
      scroller: scroller.current!,
      spacer: spacer.current!,
      table: element.current!,
      body: body.current!,
    });
    const stopPage = effect(() => {
      const page = store.inodes.value;
      if (page) table.setPage(page, route.peek().follow);
    });
    const stopSelection = effect(() => table.setSelected(route.value.inode));
    element.current?.focus({ preventScroll: true });
    return () => {
      stopPage();
      stopSelection();
      detach();
    };
  }, [table]);
  // Each of these changes the order of all rows.
  useEffect(() => table.restart(), [filter, sort, descending, host, table]);
  useEffect(() => {
    if (follow) table.restart();
  }, [follow, table]);
  useTableKeys(table);

  const matched = store.inodes.value?.matched;
  return (
    <div class="inodes">
      <h1 class="visually-hidden">Inodes</h1>
      <div class="inodes-bar">
        <FilterBox id="filter" />
        <Presets />
        <button
          type="button"
          aria-pressed={follow}
          onClick={toggleFollow}
          title="newest on top (f)"
        >
          follow
        </button>
      </div>
      <div class="vt-scroll" ref={scroller}>
        <div class="vt-spacer" ref={spacer} style={{ minWidth: `${tableWidth(columns)}ch` }}>
          {/* biome-ignore-start lint/a11y: a table that is a grid takes the focus; its keys are in useTableKeys */}
          <table
            class="data vt"
            role="grid"
            aria-label="Inodes"
            tabIndex={0}
            ref={element}
            onClick={(event) => openRow(table, event)}
          >
            <InodeTableHead columns={columns} />
            <tbody ref={body} />
          </table>
          {/* biome-ignore-end lint/a11y: as above */}
        </div>
        {matched === undefined && <Waiting what="inodes" />}
        {matched === 0 && (filter === '' ? <FirstInode /> : <NoMatch />)}
      </div>
      <Foot />
    </div>
  );
}

function makeTable(): RowTable {
  return new RowTable({
    onWindow: (wanted) => {
      inodeWindow.value = wanted;
    },
    onSelect: (row) => go({ inode: row.id, follow: false }),
    onScrolledAway: () => {
      if (route.peek().follow) go({ follow: false });
    },
  });
}

function openRow(table: RowTable, event: MouseEvent): void {
  const inode = table.idAt(event.target as Element);
  // Somebody who marked text in a row wants to copy it, not to leave.
  if (inode === '' || String(getSelection()) !== '') return;
  go({ view: 'inode', inode, follow: false });
}

function toggleFollow(): void {
  const { follow } = route.value;
  go(follow ? { follow: false } : { follow: true, sort: 'recent', descending: true });
}

function useTableKeys(table: RowTable): void {
  useKeys([
    { keys: ['j', 'ArrowDown'], help: 'next inode', run: () => table.moveBy(1) },
    { keys: ['k', 'ArrowUp'], help: 'previous inode', run: () => table.moveBy(-1) },
    {
      keys: ['PageDown', 'PageUp'],
      help: 'a screen down, up',
      run: (event) => table.moveBy(event.key === 'PageDown' ? table.pageLength : -table.pageLength),
    },
    { keys: ['Home'], help: 'first inode', run: () => table.moveTo(0) },
    { keys: ['End'], help: 'last inode', run: () => table.moveTo(Number.MAX_SAFE_INTEGER) },
    {
      keys: ['Enter'],
      help: 'open the selected inode',
      run: () => {
        if (route.value.inode) go({ view: 'inode', follow: false });
      },
    },
    { keys: ['f'], help: 'follow: newest on top', run: toggleFollow },
    { keys: ['/'], help: 'filter', run: () => document.getElementById('filter')?.focus() },
  ]);
}

function Presets() {
  const current = route.value.filter;
  return (
    <fieldset class="segments presets">
      <legend class="visually-hidden">Ready-made filters</legend>
      {PRESETS.map((filter) => (
        <button
          key={filter}
          type="button"
          aria-pressed={current === filter}
          onClick={() => go({ filter: current === filter ? '' : filter })}
        >
          {filter}
        </button>
      ))}
    </fieldset>
  );
}

function Foot() {
  const page = store.inodes.value;
  if (!page) return null;
  return (
    <p class="foot dim">
      <b class="num">{formatCount(page.matched)}</b> shown of {formatCount(page.total)}
      {page.dropped > page.left_out &&
        ` · ${formatCount(page.dropped - page.left_out)} older ones were dropped from memory (totals still count them)`}
      {page.left_out > 0 &&
        ` · ${formatCount(page.left_out)} older ones are not listed after a jump (totals still count them)`}
    </p>
  );
}

const PRESETS = ['pages>0', 'owed>0', 'state:grace', 'evict>1ms', 'doubtful'];
