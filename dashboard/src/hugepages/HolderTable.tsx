import type { PoolsView } from '../../../server/protocol/pool-map.ts';
import { formatCount, plural } from '../format/number.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { go, linkTo, route } from '../session.ts';
import type { MapController } from './controller.ts';
import type { Holder } from './holders.ts';
import { CELL_TEXT } from './words.ts';

/** Who has hugepages of the pool, and who may still take some. */
export function HolderTable(props: {
  controller: MapController;
  holders: readonly Holder[];
  host: string;
  unseen: PoolsView['unseen'];
}) {
  const { controller, holders, host, unseen } = props;
  const blind = unseen.find((row) => row.what === 'promises' && row.host === host);
  const { of } = route.value;
  return (
    <Panel title="Who has them" side={<span class="dim">{plural(holders.length, 'inode')}</span>}>
      {holders.length === 0 ? (
        <p class="pad dim">No inode is known to have any, nor to be promised any.</p>
      ) : (
        <Scroll label="Who has them, table">
          <table class="data">
            <thead>
              <tr>
                <th scope="col">inode</th>
                <Count name="leaked" help={CELL_TEXT.leaked.help} />
                <Count name="owed" help={CELL_TEXT.owed.help} />
                <Count name="in cache" />
                <Count name="private" help={CELL_TEXT.private.help} />
                <Count name="promised" help="may still be taken, by hugetlb_reserve_pages()" />
                <th scope="col">
                  <span class="visually-hidden">only these on the map</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {holders.slice(0, MOST).map((holder) => (
                <tr
                  key={`${holder.id} ${holder.at}`}
                  class={holder.leaked > 0 ? 'row-owed' : ''}
                  onPointerEnter={() => controller.pointInode(holder.at)}
                  onPointerLeave={() => controller.pointInode(-1)}
                >
                  <th scope="row" class="mono">
                    <Name holder={holder} />
                  </th>
                  <Cell value={holder.leaked} tone="owed" />
                  <Cell value={holder.owed} tone="tone-warn" />
                  <Cell value={holder.cached} />
                  <Cell value={holder.private} />
                  <td class="num" title={holder.promised?.exact === false ? AT_MOST : ''}>
                    <Promised holder={holder} />
                  </td>
                  <td>
                    {holder.at >= 0 && holder.id !== '' && (
                      <button
                        type="button"
                        class="link"
                        aria-pressed={of === holder.id}
                        onClick={() => go({ of: of === holder.id ? '' : holder.id, page: '' })}
                      >
                        {of === holder.id ? 'all' : 'only'}
                        <span class="visually-hidden"> of inode {holder.ino}</span>
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {holders.length > MOST && (
            <p class="pad dim">
              The first {MOST} of {formatCount(holders.length)}.
            </p>
          )}
        </Scroll>
      )}
      {blind !== undefined && (
        <p class="pad dim">
          What is promised to an inode is not seen: <Foreign text={blind.why} />
        </p>
      )}
    </Panel>
  );
}

const MOST = 200;
const AT_MOST =
  'at most: this kernel does not tell mappings that were promised nothing, or what a private one has used of its promise';

function Count({ name, help = '' }: { name: string; help?: string }) {
  return (
    <th scope="col" class="num" title={help}>
      {name}
    </th>
  );
}

function Cell({ value, tone = '' }: { value: number; tone?: string }) {
  return (
    <td class={`num ${value > 0 ? tone : 'dim'}`}>{value === 0 ? '–' : formatCount(value)}</td>
  );
}

function Name({ holder }: { holder: Holder }) {
  const { id, fs, ino } = holder;
  if (fs === '') return <span class="dim">not known</span>;
  const name = (
    <>
      <Foreign text={fs} /> {ino}
    </>
  );
  return id === '' ? name : <a href={linkTo({ view: 'inode', inode: id })}>{name}</a>;
}

function Promised({ holder: { promised } }: { holder: Holder }) {
  if (promised === null) return <span class="dim">–</span>;
  return (
    <>
      {promised.exact ? '' : '≤ '}
      {formatCount(promised.pages)}
      {promised.doubtful && (
        <span class="tone-warn" title="lines were lost since it was promised">
          {' '}
          ?<span class="visually-hidden"> doubtful</span>
        </span>
      )}
    </>
  );
}
