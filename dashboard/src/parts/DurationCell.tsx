import { durationParts } from '../format/duration.ts';

/** Units of one width, so that the numbers line up. Null: it was not measured. */
export function DurationCell({ ns }: { ns: number | null }) {
  if (ns === null) return <td class="num dim">–</td>;
  const [value, unit] = durationParts(ns);
  return (
    <td class="num">
      {value}
      <span class="unit">{unit}</span>
    </td>
  );
}
