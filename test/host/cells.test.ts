/**
 * The newest and the oldest that many people have: two cells of the matrix, with the
 * scenarios that are most different from each other. All of it: `./scripts/test matrix`.
 */
import { parseCells } from '../matrix/cells.ts';
import { describeCells } from '../matrix/describe-cell.ts';
import { SCENARIOS } from '../scenarios/expected.ts';

const CHOSEN = ['s02', 's03', 's05', 's07', 's13', 's26'];

describeCells(
  parseCells('6.12/0.23 6.1/0.17'),
  SCENARIOS.filter(({ name }) => CHOSEN.includes(name.slice(0, 3))),
  { churn: 5000 },
);
