/** What the cells came to, kept in results.json: docs/compatibility.md is made of it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Stage } from '../../server/protocol/stages.ts';
import type { Churn } from './cell-run.ts';
import { CELLS, nameOf } from './cells.ts';

export interface CellResult {
  /** `uname -r`, and what bpftrace calls itself; empty when nothing could be asked. */
  readonly kernel: string;
  readonly bpftrace: string;
  /** The day, ISO 8601. */
  readonly when: string;
  /** The guest's kernel or QEMU died: says nothing about lastref. */
  readonly environment?: string;
  /** Why the tracer did not become ready. */
  readonly refused?: string;
  /** From asking the host until the canary came through. */
  readonly readySeconds?: number;
  /** Stages that are not observed, and why. */
  readonly missing: Readonly<Partial<Record<Stage, string>>>;
  /** By scenario: `passed`, or the first thing that was not as expected. */
  readonly scenarios: Readonly<Record<string, string>>;
  readonly churn?: Churn;
}

export type Results = Readonly<Record<string, CellResult>>;

const FILE = fileURLToPath(new URL('results.json', import.meta.url));

export function readResults(): Results {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Results) : {};
}

/** Puts one cell's result in place of its last one. Cells that are no longer in the matrix go. */
export function keepResult(name: string, result: CellResult): void {
  const all: Record<string, CellResult> = { ...readResults(), [name]: result };
  const ordered = CELLS.map(nameOf).filter((cell) => all[cell] !== undefined);
  const text = JSON.stringify(
    Object.fromEntries(ordered.map((cell) => [cell, all[cell]])),
    null,
    2,
  );
  writeFileSync(FILE, `${text}\n`);
}
