/** Where lanes lie on the canvas. CSS pixels. */
export const AXIS = 22;
/** Of each group: its name and what is in sight of it, and how many inodes over time. */
export const HEAD = 18;
export const DENSITY = 24;
const GAP = 6;
/** Lanes are no higher than they need to be read, and below this only those in sight get room. */
const MAX_LANE = 17;
const COMFORTABLE = 4;

export interface Band {
  readonly group: number;
  readonly top: number;
  /** Where its lanes begin. */
  readonly lanesTop: number;
  /** Of each of its rows; below 1, several share a pixel. */
  readonly laneHeight: number;
  readonly rows: number;
  /** By lane, its row, -1 for one without; null: they are the same. */
  readonly rowOf: Int32Array | null;
}

/**
 * `lanes`: of each group, by lane, whether something of it is in sight. Groups without any
 * inode in sight keep their head.
 */
export function layBands(
  lanes: readonly Uint8Array[],
  order: readonly number[],
  height: number,
): Band[] {
  const room = height - AXIS - order.length * (HEAD + DENSITY + GAP);
  const all = order.reduce((sum, group) => sum + lanes[group]!.length, 0);
  const crowded = room / Math.max(1, all) < COMFORTABLE;
  const rows = order.map((group) => (crowded ? ranks(lanes[group]!) : null));
  const counts = order.map((group, i) => rows[i]?.count ?? lanes[group]!.length);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const laneHeight = Math.min(MAX_LANE, Math.max(0, room) / Math.max(1, total));
  let top = AXIS;
  return order.map((group, i) => {
    const band = {
      group,
      top,
      lanesTop: top + HEAD + DENSITY,
      laneHeight,
      rows: counts[i]!,
      rowOf: rows[i]?.rowOf ?? null,
    };
    top = band.lanesTop + Math.ceil(counts[i]! * laneHeight) + GAP;
    return band;
  });
}

/** Lanes with something in sight, counted through. */
function ranks(lanes: Uint8Array): { rowOf: Int32Array; count: number } {
  const rowOf = new Int32Array(lanes.length);
  let count = 0;
  for (let lane = 0; lane < lanes.length; lane++) rowOf[lane] = lanes[lane] === 0 ? -1 : count++;
  return { rowOf, count };
}

/** Top of a lane, in device pixels. */
export function rowTop(band: Band, lane: number, scale: number): number {
  const row = band.rowOf === null ? lane : band.rowOf[lane]!;
  return Math.floor((band.lanesTop + row * band.laneHeight) * scale);
}

/** Its bottom; at least one pixel below, and a little apart from the next where there is room. */
export function rowBottom(band: Band, lane: number, scale: number, top: number): number {
  const row = band.rowOf === null ? lane : band.rowOf[lane]!;
  const next = Math.floor((band.lanesTop + (row + 1) * band.laneHeight) * scale);
  const gap = band.laneHeight * scale >= 4 ? Math.max(1, Math.round(scale)) : 0;
  return Math.max(top + 1, next - gap);
}
