/**
 * A latency on a logarithmic scale of 100 ns to 10 s: a line from the median to
 * the largest, thick up to p99, with ticks at p50, p90 and p99. All rows share the scale,
 * so that microseconds and the grace period can be compared at a glance.
 */
export function LogBar({
  p50,
  p90,
  p99,
  max,
}: {
  p50: number;
  p90: number;
  p99: number;
  max: number;
}) {
  const [x50, x90, x99, xMax] = [p50, p90, p99, max].map(position) as [
    number,
    number,
    number,
    number,
  ];
  return (
    <svg class="logbar" viewBox={`0 0 ${WIDTH} 14`} width={WIDTH} height="14" aria-hidden="true">
      {DECADES.map((ns) => (
        <line key={ns} class="logbar-grid" x1={position(ns)} x2={position(ns)} y1="0" y2="14" />
      ))}
      <line class="logbar-max" x1={x50} x2={xMax} y1="7" y2="7" />
      <rect class="logbar-p99" x={x50} width={Math.max(x99 - x50, 1)} y="4" height="6" />
      <rect class="logbar-p90" x={x50} width={Math.max(x90 - x50, 1)} y="4" height="6" />
      <rect class="logbar-p50" x={x50 - 1} width="2" y="1" height="12" />
    </svg>
  );
}

/** The scale's names, for the head of the column. */
export function LogScale() {
  return (
    <svg class="logbar" viewBox={`0 0 ${WIDTH} 14`} width={WIDTH} height="14" aria-hidden="true">
      {LABELS.map(([ns, label]) => (
        <text key={label} x={position(ns)} y="11">
          {label}
        </text>
      ))}
    </svg>
  );
}

const WIDTH = 240;
const LEAST = 100;
const DECADE_COUNT = 8;
const DECADES = Array.from({ length: DECADE_COUNT + 1 }, (_, power) => LEAST * 10 ** power);
const LABELS: readonly [number, string][] = [
  [1e3, '1 µs'],
  [1e6, '1 ms'],
  [1e9, '1 s'],
];

function position(ns: number): number {
  const decades = Math.log10(Math.max(ns, LEAST) / LEAST);
  return Math.min(decades / DECADE_COUNT, 1) * (WIDTH - 2) + 1;
}
