/**
 * Every kernel with every bpftrace: `./scripts/test matrix [cells...]`. What it finds
 * goes to results.json and docs/compatibility.md.
 */
import { afterAll } from 'vitest';
import { SCENARIOS } from '../scenarios/expected.ts';
import { parseCells } from './cells.ts';
import { describeCells } from './describe-cell.ts';
import { writeDocument } from './document.ts';
import { keepResult } from './results.ts';

describeCells(parseCells(process.env.LASTREF_CELLS ?? ''), SCENARIOS, {
  churn: 20_000,
  onResult: keepResult,
});
afterAll(writeDocument);
