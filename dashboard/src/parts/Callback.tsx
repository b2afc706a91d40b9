import { Foreign } from './Foreign.tsx';

/** A function of an s_op table; `0` is a NULL pointer. */
export function Callback({ symbol }: { symbol: string }) {
  return symbol === '0' || symbol === '' ? (
    <span class="dim mono">NULL</span>
  ) : (
    <span class="mono">
      <Foreign text={symbol} />
    </span>
  );
}
