import { go, route } from '../session.ts';
import { type Column, columnShare } from './columns.ts';

/** Column titles; those that sort are buttons. Pressing again turns the order around. */
export function InodeTableHead({ columns }: { columns: readonly Column[] }) {
  const { sort, descending } = route.value;
  return (
    <thead>
      <tr aria-rowindex={1}>
        {columns.map((column) => {
          const sorted = column.sort !== undefined && column.sort === sort;
          return (
            <th
              key={column.key}
              scope="col"
              style={{ width: columnShare(column, columns) }}
              class={column.right ? 'num' : ''}
              title={column.help}
              aria-sort={sorted ? (descending ? 'descending' : 'ascending') : undefined}
            >
              {column.sort ? (
                <button type="button" class="sort" onClick={() => sortBy(column)}>
                  {column.title}
                  <span aria-hidden="true">{sorted ? (descending ? ' ↓' : ' ↑') : ''}</span>
                </button>
              ) : (
                column.title
              )}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

function sortBy(column: Column): void {
  if (!column.sort) return;
  const { sort, descending } = route.value;
  const again = sort === column.sort;
  const change = { sort: column.sort, descending: again ? !descending : true };
  go({ ...change, follow: false });
}
