/** docs/compatibility.md, made of the results. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { STAGE_TEXT, STAGES, type Stage } from '../../server/protocol/stages.ts';
import { SCENARIOS } from '../scenarios/expected.ts';
import type { Churn } from './cell-run.ts';
import { CELLS, nameOf } from './cells.ts';
import { type CellResult, type Results, readResults } from './results.ts';

export const DOCUMENT = fileURLToPath(new URL('../../docs/compatibility.md', import.meta.url));

export function writeDocument(): void {
  writeFileSync(DOCUMENT, render(readResults()));
}

/** Cells of the matrix without a result. */
function notRun(results: Results): string[] {
  const left = CELLS.map(nameOf).filter((name) => results[name] === undefined);
  if (left.length === 0) return [];
  return [`Not run yet: ${left.map((name) => `\`${name}\``).join(', ')}.`, ''];
}

export function render(results: Results): string {
  const names = CELLS.map(nameOf).filter((name) => results[name] !== undefined);
  const rows = names.map((name) => row(name, results[name]!));
  return [
    '# Compatibility',
    '',
    '<!-- Made by ./scripts/test matrix out of test/matrix/results.json: do not edit. -->',
    '',
    'Each row is a run on the bundled guest: bpftrace attached by lastref itself, the',
    'scenarios of `test/scenarios`, each compared with what it is known to do, then a',
    'process that makes and drops inodes of hugetlbfs as fast as the guest can. Run it',
    'again with `./scripts/test matrix`, or one cell with `./scripts/test matrix 6.12/0.23`.',
    '',
    ...table(
      [
        'cell',
        'kernel',
        'bpftrace',
        'stages',
        'ready',
        'scenarios',
        'churn',
        'lost',
        'account',
        'day',
      ],
      rows,
    ),
    '',
    '- cell: kernel/bpftrace, then the family of probes and the detail where they were asked for;',
    '  without, lastref chooses: fentry, `--detail auto`.',
    '- stages: observed, of those in the plan. The others are below.',
    '- churn: inodes a second while traced, and events decoded of it.',
    '- lost: events of the churn that did not arrive, by place; all are counted in the kernel.',
    '- account: whether the kernel’s counts are explained to the last event. Where the kernel',
    '  does not count every run of a probe that it skips, nobody can know.',
    '',
    ...notRun(results),
    '## Not as expected',
    '',
    ...failures(names, results),
    '',
    '## Stages that are not observed',
    '',
    ...missing(names, results),
    '',
    '## The scenarios',
    '',
    ...table(
      ['scenario', 'what it does'],
      SCENARIOS.map(({ name, what, kernels }) => [
        `\`${name}\``,
        kernels === undefined ? what : `${what} (${kernels.join(', ')})`,
      ]),
    ),
    '',
  ].join('\n');
}

function row(name: string, result: CellResult): string[] {
  const first = [`\`${name}\``, result.kernel, result.bpftrace];
  if (result.environment !== undefined) {
    return [...first, '', '', '', '', '', 'environment failure', result.when];
  }
  if (result.refused !== undefined) {
    return [...first, '', '', '', '', '', 'did not attach', result.when];
  }
  const outcomes = Object.values(result.scenarios);
  const passed = outcomes.filter((outcome) => outcome === 'passed').length;
  const { churn } = result;
  return [
    ...first,
    `${STAGES.length - Object.keys(result.missing).length} of ${STAGES.length}`,
    result.readySeconds === undefined ? '' : `${result.readySeconds} s`,
    `${passed} of ${outcomes.length}`,
    churn === undefined ? 'not run' : speed(churn),
    churn === undefined ? '' : losses(churn),
    churn === undefined ? '' : account(churn),
    result.when,
  ];
}

function speed({ made, seconds, decoded }: Churn): string {
  return `${Math.round(made / seconds)}/s, ${decoded}`;
}

function losses({ notRun, ringBuffer, mapFull, rejected }: Churn): string {
  const places = [
    ['not run', notRun ?? 0],
    ['buffer', ringBuffer],
    ['map full', mapFull],
    ['rejected', rejected],
  ].filter(([, count]) => count !== 0);
  return places.length === 0 ? '0' : places.map(([where, n]) => `${where} ${n}`).join(', ');
}

function account({ balanced }: Churn): string {
  if (balanced === null) return 'not knowable';
  return balanced ? 'balanced' : 'does not balance';
}

function failures(names: readonly string[], results: Results): string[] {
  const out = names.flatMap((name) => {
    const { environment, refused, scenarios, churn } = results[name]!;
    const failed = Object.entries(scenarios).filter(([, outcome]) => outcome !== 'passed');
    return [
      ...(environment === undefined ? [] : [`- \`${name}\`: the guest: ${environment}`]),
      ...(refused === undefined ? [] : [`- \`${name}\`: ${refused.replaceAll('\n', ' ')}`]),
      ...failed.map(([scenario, why]) => `- \`${name}\` \`${scenario}\`: ${why}`),
      ...(churn?.balanced === false ? [`- \`${name}\`: the account of the churn`] : []),
    ];
  });
  return out.length === 0 ? ['Nothing.'] : out;
}

function missing(names: readonly string[], results: Results): string[] {
  const rows = STAGES.flatMap((stage) => {
    const cells = new Map<string, string[]>();
    for (const name of names) {
      const why = results[name]!.missing[stage as Stage];
      if (why !== undefined) cells.set(why, [...(cells.get(why) ?? []), name]);
    }
    return [...cells].map(([why, where]) => [
      stage,
      STAGE_TEXT[stage],
      why,
      where.length === names.length ? 'all' : where.join(', '),
    ]);
  });
  return table(['stage', 'what it is', 'why not', 'cells'], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
