/** What the matrix is made of: a kernel, a bpftrace, a family of probes, a detail. */
import { DETAILS, type Detail } from '../../server/tracer/plan.ts';
import type { Family } from '../../server/tracer/programs.ts';
import type { Kernel } from '../scenarios/expected.ts';

export interface Cell {
  readonly kernel: Kernel;
  /** `0.23`: /usr/local/bin/bpftrace-0.23 in the guest. */
  readonly bpftrace: string;
  readonly family: Exclude<Family, 'tracepoint'>;
  readonly detail: Detail;
}

const KERNELS: readonly Kernel[] = ['6.1', '6.12', '6.18', '7'];
const BPFTRACES = ['0.17', '0.23', '0.27'];

/** Every pair of kernel and bpftrace as lastref runs by itself, and on 6.12 what can be asked for. */
export const CELLS: readonly Cell[] = KERNELS.flatMap((kernel) => [
  ...BPFTRACES.map((bpftrace) => cell(kernel, bpftrace)),
  ...(kernel === '6.12'
    ? [
        ...BPFTRACES.map((bpftrace) => cell(kernel, bpftrace, 'kprobe')),
        cell(kernel, '0.23', 'fentry', 'steps'),
        cell(kernel, '0.23', 'fentry', 'lifecycle'),
      ]
    : []),
]);

function cell(
  kernel: Kernel,
  bpftrace: string,
  family: Cell['family'] = 'fentry',
  detail: Detail = 'auto',
): Cell {
  return { kernel, bpftrace, family, detail };
}

/** `6.12/0.23`, or with what differs from the usual: `6.12/0.23/kprobe`, `6.12/0.23/fentry/steps`. */
export function nameOf({ kernel, bpftrace, family, detail }: Cell): string {
  const parts: string[] = [kernel, bpftrace];
  if (family !== 'fentry' || detail !== 'auto') parts.push(family);
  if (detail !== 'auto') parts.push(detail);
  return parts.join('/');
}

/** The cells of a list of names, by blanks; a kernel alone is all of its cells. */
export function parseCells(list: string): readonly Cell[] {
  const names = list.split(/\s+/).filter((name) => name !== '');
  if (names.length === 0) return CELLS;
  return names.flatMap((name) => {
    const ofKernel = CELLS.filter((c) => c.kernel === name);
    if (ofKernel.length > 0) return ofKernel;
    const [kernel, bpftrace, family = 'fentry', detail = 'auto'] = name.split('/');
    const known =
      KERNELS.includes(kernel as Kernel) &&
      BPFTRACES.includes(bpftrace!) &&
      ['fentry', 'kprobe'].includes(family) &&
      DETAILS.includes(detail as Detail);
    if (!known) {
      throw new RangeError(
        `no cell ${JSON.stringify(name)}: KERNEL (${KERNELS.join(', ')}), or ` +
          `KERNEL/BPFTRACE (${BPFTRACES.join(', ')}), /kprobe and /${DETAILS.join(', /')} after it`,
      );
    }
    return [cell(kernel as Kernel, bpftrace!, family as Cell['family'], detail as Detail)];
  });
}
