/** The contract on traces of real kernels: nothing is broken, and nearly every rule was checked. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Contract } from '../../server/model/contract/contract.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { epochOf, planOf } from '../fixtures/trace.ts';
import { CAPTURED, type Capture, captures, FREED_STATE, framesOf } from '../support/captures.ts';

/** `lost`: leaves out one line, and says that something was lost, or not. */
function contractOf(capture: Capture, lost: { line: number; told: boolean } | null): Contract {
  const { kernel } = capture;
  const pipeline = new Pipeline(
    epochOf({
      plan: planOf(CAPTURED),
      freed_state: FREED_STATE[kernel]!,
      base_index: kernel !== '6.1',
    }),
    { keep: 1000 },
  );
  const { contract } = pipeline.model;
  contract.ready(0);
  contract.settled(1e15);
  pipeline.begin([]);
  const frames = framesOf(capture);
  const events = frames.filter(({ kind, text }) => kind === 'out' && !text.startsWith('tick '));
  const left = lost === null ? undefined : events[lost.line % events.length];
  if (lost?.told === true) contract.doubt(0, 1e15);
  for (const frame of frames) {
    if (frame !== left) pipeline[frame.kind](Buffer.from(frame.text));
  }
  pipeline.end(true, '');
  expect(pipeline.samples).toEqual([]);
  return contract;
}

const said = (contract: Contract) =>
  contract.findings.map((f) => `${f.rule} ${f.verdict}: ${f.what} ${f.sentence}`);

it.each(captures())('$name on Linux $kernel keeps the contract', (capture) => {
  expect(said(contractOf(capture, null))).toEqual([]);
});

it('checks every rule on some of them, but for those that they do not show', () => {
  const checked = new Map<string, number>();
  for (const capture of captures()) {
    for (const { rule, ...count } of contractOf(capture, null).results()) {
      checked.set(rule.id, (checked.get(rule.id) ?? 0) + count.checked);
    }
  }
  const unchecked = [...checked].filter(([, n]) => n === 0).map(([id]) => id);
  // no subpool counters at reservations; no i_callback() with a NULL free_inode was told
  expect(unchecked).toEqual(['R5', 'R17', 'R18']);
});

it('with a line lost and told, nothing is certain', () => {
  const all = captures();
  fc.assert(
    fc.property(fc.nat(all.length - 1), fc.nat(), (i, line) => {
      const contract = contractOf(all[i]!, { line, told: true });
      // what a single line shows by itself would be, but no line is wrong
      expect(said(contract).filter((text) => text.includes('certain'))).toEqual([]);
    }),
    { numRuns: 150 },
  );
});

it('with a line lost and not told, the inode that lacks it is found', () => {
  const capture = { kernel: '6.12', name: 's02_memfd_hugetlb' };
  const lines = framesOf(capture).filter(
    ({ kind, text }) => kind === 'out' && !text.startsWith('tick '),
  );
  const rulesWithout = (start: string) => {
    const line = lines.findIndex(({ text }) => text.startsWith(start));
    const contract = contractOf(capture, { line, told: false });
    expect(contract.findings.every((f) => f.verdict === 'certain' && f.lines.length > 0)).toBe(
      true,
    );
    return [...new Set(contract.findings.map((f) => f.rule))].sort();
  };
  expect(rulesWithout('remove_hugepages')).toEqual([]); // that of ftruncate() comes first
  expect(rulesWithout('hugepage_remove')).toEqual(['R10', 'R11']);
  expect(rulesWithout('hugepage_free')).toEqual(['R12']);
  expect(rulesWithout('hugepage_enqueue')).toEqual(['R13']);
  expect(rulesWithout('resv_map_release')).toEqual(['R10', 'R20']);
  expect(rulesWithout('clear_inode')).toEqual(['R1']);
});
