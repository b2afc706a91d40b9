import { useEffect, useRef } from 'preact/hooks';
import { formatCount } from '../format/number.ts';
import { go } from '../session.ts';
import { theme } from '../theme.ts';
import { CELL_STATES, type CellState, type PoolCells } from './cells.ts';
import { drawSwatch } from './draw.ts';
import { CELL_TEXT } from './words.ts';

/** What the cells mean and how many there are of each: the sum is the pool. A click leaves one state. */
export function MapLegend({ cells, filter }: { cells: PoolCells; filter: CellState | '' }) {
  const total = cells.states.length;
  return (
    <div class="map-legend">
      {CELL_STATES.filter((state) => state !== 'lost' || cells.counts.lost > 0).map((state) => (
        <button
          key={state}
          type="button"
          aria-pressed={filter === state}
          disabled={cells.counts[state] === 0 && filter !== state}
          title={CELL_TEXT[state].help}
          onClick={() => go({ state: filter === state ? '' : state })}
        >
          <Swatch state={state} />
          {CELL_TEXT[state].name}{' '}
          <span class={`num ${LEAKED.includes(state) && cells.counts[state] > 0 ? 'owed' : ''}`}>
            {formatCount(cells.counts[state])}
          </span>
        </button>
      ))}
      <span class="map-total">
        = <span class="num">{formatCount(total)}</span> in the pool
      </span>
    </div>
  );
}

const LEAKED: readonly CellState[] = ['leaked', 'lost'];

function Swatch({ state }: { state: CellState }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { value } = theme;
  useEffect(() => {
    void value;
    drawSwatch(canvas.current!, state);
  }, [state, value]);
  return (
    <span class="map-swatch" aria-hidden="true">
      <canvas ref={canvas} />
    </span>
  );
}
