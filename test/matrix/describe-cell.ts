/** The tests of one cell. A guest that dies is the environment's failure: what follows is skipped. */
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { vmDown, vmStatus } from '../../server/host/vm.ts';
import type { Stage } from '../../server/protocol/stages.ts';
import type { Kernel, Scenario } from '../scenarios/expected.ts';
import { CellRun, type Churn } from './cell-run.ts';
import { type Cell, nameOf } from './cells.ts';
import type { CellResult } from './results.ts';

const MINUTE = 60_000;

export interface CellOptions {
  /** Inodes made at full speed after the scenarios. */
  readonly churn: number;
  readonly onResult?: (name: string, result: CellResult) => void;
}

/** Cells of one kernel after the other; its guest is ended if it did not run before. */
export function describeCells(
  cells: readonly Cell[],
  scenarios: readonly Scenario[],
  options: CellOptions,
): void {
  for (const kernel of new Set(cells.map((cell) => cell.kernel))) {
    describe(`vm:${kernel}`, () => {
      let ranBefore = false;
      beforeAll(async () => {
        ranBefore = (await vmStatus()).some((guest) => guest.kernel === kernel);
      });
      for (const cell of cells.filter((c) => c.kernel === kernel)) {
        describeCell(cell, scenarios, options);
      }
      afterAll(async () => {
        if (!ranBefore) await vmDown(kernel);
      });
    });
  }
}

function describeCell(
  cell: Cell,
  scenarios: readonly Scenario[],
  { churn: count, onResult }: CellOptions,
): void {
  describe(nameOf(cell), () => {
    let run: CellRun | null = null;
    let environment: string | undefined;
    let refused: string | undefined;
    let readySeconds: number | undefined;
    let churn: Churn | undefined;
    const outcomes: Record<string, string> = {};

    /** What a dead guest makes fail is skipped with its last words. */
    const inGuest = async (ctx: TestContext, work: (run: CellRun) => Promise<void>) => {
      if (environment !== undefined || run === null) ctx.skip(`environment: ${environment}`);
      if (refused !== undefined) ctx.skip('not attached');
      try {
        await work(run!);
      } catch (error) {
        environment = (await run!.guest.death()) ?? undefined;
        if (environment !== undefined) ctx.skip(`environment: ${environment}`);
        throw error;
      }
    };

    beforeAll(async () => {
      try {
        run = await CellRun.up(cell);
      } catch (error) {
        environment = String(error).split('\n')[0]!;
        return;
      }
      const began = Date.now();
      try {
        await run.attach();
        readySeconds = (Date.now() - began) / 1000;
      } catch (error) {
        environment = (await run.guest.death()) ?? undefined;
        refused = error instanceof Error ? error.message : String(error);
      }
    }, 15 * MINUTE);

    afterAll(async () => {
      onResult?.(nameOf(cell), {
        kernel: run?.kernel ?? '',
        bpftrace: run?.bpftrace ?? '',
        when: new Date().toISOString().slice(0, 10),
        ...(environment === undefined ? {} : { environment }),
        ...(refused === undefined ? {} : { refused }),
        ...(readySeconds === undefined ? {} : { readySeconds: Math.round(readySeconds) }),
        missing: run?.missing ?? {},
        scenarios: outcomes,
        ...(churn === undefined ? {} : { churn }),
      });
      await run?.stop();
    }, MINUTE);

    it('attaches', (ctx) => {
      if (environment !== undefined) ctx.skip(`environment: ${environment}`);
      expect(refused).toBeUndefined();
    });

    it('observes every stage that this kernel has', (ctx) =>
      inGuest(ctx, async (it) => {
        expect(Object.keys(it.missing).sort()).toEqual(notObservable(cell).sort());
      }));

    for (const scenario of scenarios.filter((s) => s.kernels?.includes(cell.kernel) ?? true)) {
      it(
        scenario.name,
        (ctx) =>
          inGuest(ctx, async (run) => {
            if (scenario.needs !== undefined && scenario.needs in run.missing) {
              ctx.skip(`${scenario.needs} is not observed`);
            }
            outcomes[scenario.name] = 'could not be run';
            const { expected, seen, lost } = await run.scenario(scenario);
            outcomes[scenario.name] = difference(expected, seen);
            if (lost > 0 && outcomes[scenario.name] !== 'passed') {
              // nobody can see what the kernel skipped; that it is counted is what is promised
              outcomes[scenario.name] += `; ${lost} events were lost meanwhile, and counted`;
              ctx.skip(outcomes[scenario.name]);
            }
            if (!run.pipeline.info.counts_misses && outcomes[scenario.name] !== 'passed') {
              outcomes[scenario.name] += '; this host does not count every run that it skips';
              ctx.skip(outcomes[scenario.name]);
            }
            expect(seen).toEqual(expected);
          }),
        3 * MINUTE,
      );
    }

    it(
      `accounts for every event of ${count} inodes at full speed`,
      (ctx) =>
        inGuest(ctx, async (run) => {
          churn = await run.churn(count);
          const lost = churn.ringBuffer + churn.mapFull + churn.rejected + (churn.notRun ?? 0);
          // what does not add up is of use only with all its numbers
          expect(churn, JSON.stringify({ churn, rows: run.pipeline.ledger.rows() })).toMatchObject({
            balanced: run.pipeline.info.counts_misses ? true : null,
            rejected: 0,
          });
          expect(churn.decoded + lost - churn.mapFull).toBe(churn.hits);
          // every end is told, or counted as lost, where the kernel counts what it skips
          if (run.pipeline.info.counts_misses) {
            expect(churn.endsHit + churn.mapFull).toBeGreaterThanOrEqual(count);
          }
          // and none that was not
          expect(churn.ended).toBeLessThanOrEqual(count);
          if (lost === 0 && run.pipeline.info.counts_misses) expect(churn.ended).toBe(count);
        }),
      6 * MINUTE,
    );
  });
}

/** Stages that no probe can show there, by what is known of the kernel. */
function notObservable({ kernel, detail }: Cell): Stage[] {
  // iput_final() is inlined everywhere
  const stages: Stage[] = ['last_reference'];
  const without: Partial<Record<Kernel, readonly Stage[]>> = {
    // __update_and_free_page() is a .part.0; KVM has no guest_memfd
    '6.1': ['hugepage_released', 'gmem_create', 'gmem_fallocate', 'gmem_release'],
    '6.12': ['gmem_create', 'gmem_fallocate', 'gmem_release'],
  };
  stages.push(...(without[kernel] ?? []));
  if (detail === 'steps') stages.push('lifecycle');
  if (detail === 'lifecycle') stages.push('alloc_inode', 'resv_map_alloc', 'resv_map_release');
  return stages;
}

/** `passed`, or the first place where two accounts differ. */
function difference(expected: unknown, seen: unknown, at = ''): string {
  if (JSON.stringify(expected) === JSON.stringify(seen)) return 'passed';
  if (
    expected === null ||
    seen === null ||
    typeof expected !== 'object' ||
    typeof seen !== 'object'
  ) {
    return `${at}: expected ${JSON.stringify(expected)}, saw ${JSON.stringify(seen)}`;
  }
  if (Array.isArray(expected) && Array.isArray(seen) && expected.length !== seen.length) {
    return `${at}: expected ${expected.length}, saw ${seen.length}`;
  }
  for (const key of Object.keys(expected)) {
    const of = (value: object) => (value as Record<string, unknown>)[key];
    const found = difference(of(expected), of(seen), at === '' ? key : `${at}.${key}`);
    if (found !== 'passed') return found;
  }
  return `${at}: more was seen than expected`;
}
