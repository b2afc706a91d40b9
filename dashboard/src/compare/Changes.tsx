import type { CallbackChange, Comparison, OrderChange } from '../../../server/protocol/compare.ts';
import { formatCount } from '../format/number.ts';
import { Callback } from '../parts/Callback.tsx';
import { Empty } from '../parts/Empty.tsx';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';

/** In which orders inodes went through the stages that both runs see. */
export function OrderChanges({ comparison: { orders } }: { comparison: Comparison }) {
  if (orders.length === 0) return null;
  return (
    <Panel title="Order of stages" side={<span class="dim">stages that both runs see</span>}>
      <Scroll label="Orders of stages, table" tall>
        <table class="data">
          <thead>
            <tr>
              <th scope="col">fs</th>
              <th scope="col">order</th>
              <th scope="col" class="num">
                A
              </th>
              <th scope="col" class="num">
                B
              </th>
              <th scope="col">result</th>
            </tr>
          </thead>
          <tbody>
            {orders.map((order) => (
              <OrderRow key={`${order.host} ${order.fs} ${order.stages.join()}`} order={order} />
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

function OrderRow({ order: { host, fs, stages, result, verdict, a, b } }: { order: OrderChange }) {
  const changed = result !== 'none' && result !== 'too few';
  const word =
    result === 'none' ? 'no change to be seen' : result === 'too few' ? 'too few to say' : result;
  return (
    <tr class={changed ? 'row-owed' : ''}>
      <th scope="row" class="mono">
        <Foreign text={`${host} ${fs}`.trim()} />
      </th>
      <td class="mono wrap">{stages.join(' → ')}</td>
      <td class="num">
        {formatCount(a.count)} <span class="dim">of {formatCount(a.of)}</span>
      </td>
      <td class="num">
        {formatCount(b.count)} <span class="dim">of {formatCount(b.of)}</span>
      </td>
      <td class={changed ? 'tone-bad' : 'dim'}>
        {changed && verdict === 'suspected' ? 'suspected: ' : ''}
        {word}
      </td>
    </tr>
  );
}

/** The s_op table of each type of superblock; where it changed, both. */
export function CallbackChanges({ comparison: { callbacks } }: { comparison: Comparison }) {
  return (
    <Panel title="Callbacks" side={<span class="dim">s_op, by type of superblock</span>}>
      {callbacks.length === 0 ? (
        <Empty title="Neither run shows the s_op table of a superblock." />
      ) : (
        <Scroll label="Callbacks, table" tall>
          <table class="data">
            <thead>
              <tr>
                <th scope="col">fs</th>
                <th scope="col">pointer</th>
                <th scope="col">A</th>
                <th scope="col">B</th>
              </tr>
            </thead>
            <tbody>
              {callbacks.map((change) => (
                <CallbackRows key={`${change.host} ${change.fs}`} change={change} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}

function CallbackRows({ change }: { change: CallbackChange }) {
  const { host, fs, result, pointers, a, b } = change;
  const name = (
    <th scope="row" class="mono">
      <Foreign text={`${host} ${fs}`.trim()} />
    </th>
  );
  if (result !== 'changed') {
    const why =
      a.length === 0
        ? 'seen in B alone'
        : b.length === 0
          ? 'seen in A alone'
          : 'functions without a name';
    return (
      <tr>
        {name}
        <td colSpan={3} class="dim">
          {result === 'none' ? 'the same' : `cannot be compared: ${why}`}
        </td>
      </tr>
    );
  }
  return (
    <>
      {(pointers as (keyof (typeof a)[number])[]).map((pointer) => (
        <tr key={pointer} class="row-owed">
          {name}
          <td class="mono tone-bad">{pointer}</td>
          <td>
            <Symbols symbols={a.map((table) => table[pointer])} />
          </td>
          <td>
            <Symbols symbols={b.map((table) => table[pointer])} />
          </td>
        </tr>
      ))}
    </>
  );
}

function Symbols({ symbols }: { symbols: readonly string[] }) {
  return (
    <>
      {[...new Set(symbols)].map((symbol, i) => (
        <span key={symbol}>
          {i > 0 && ', '}
          <Callback symbol={symbol} />
        </span>
      ))}
    </>
  );
}
