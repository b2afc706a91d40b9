/**
 * The classes of which a running pipeline makes objects; those that its constructor makes
 * need not be here. Each with how to make one, so that a restored object has the same
 * layout in memory as any other.
 */

import { CallbackRuns } from '../../model/callback-runs.ts';
import { InodeLife } from '../../model/contract/inode-life.ts';
import { Claim } from '../../model/contract/verdicts.ts';
import { Histogram } from '../../model/histogram.ts';
import { Incarnation } from '../../model/incarnation.ts';
import { Ranges } from '../../model/ranges.ts';
import type { Address } from '../../protocol/units.ts';
import { BufferQueue } from '../../tracer/reorder.ts';

const NONE = 0 as Address;

export const CLASSES: ReadonlyMap<string, () => object> = new Map<string, () => object>([
  ['Incarnation', () => new Incarnation(0, '', 0, NONE, 0, 0)],
  ['InodeLife', () => new InodeLife(0, NONE, 0, 0, 0, false)],
  ['Histogram', () => new Histogram()],
  ['CallbackRuns', () => new CallbackRuns()],
  ['Ranges', () => new Ranges()],
  ['BufferQueue', () => new BufferQueue(0)],
  [
    'Claim',
    () =>
      new Claim(
        'R1',
        { inode: null, what: '', judged: 0 },
        { from: 0, to: 0, sentence: '', lines: [] },
        0,
      ),
  ],
]);
