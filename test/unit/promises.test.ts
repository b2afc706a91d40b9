/** Hugepages that are promised to an inode, from lines as the kernels print them. */
import { describe, expect, it } from 'vitest';
import { Model } from '../../server/model/model.ts';
import type { EpochInfo } from '../../server/protocol/recording.ts';
import { Decoder } from '../../server/tracer/decoder.ts';
import { pipelineOf, planOf } from '../fixtures/trace.ts';
import { captures, framesOf } from '../support/captures.ts';

const BORN = `
  0    0  perl/391   resv_map_alloc M
  1    0  perl/391   alloc_inode A
  2    0  perl/391   reserve A to=0`;

/** Of inode 2078; `≤` where it may be less. */
function promised(table: string, info: Partial<EpochInfo> = {}): string {
  const pipeline = pipelineOf(`${BORN}\n${table}`, info);
  return [...pipeline.model.promises.all()]
    .map(({ pages, exact }) => `${exact ? '' : '≤ '}${pages}`)
    .join(' ');
}

describe('a shared mapping', () => {
  it('is promised what hugetlb_reserve_pages() says, less what entered the page cache', () => {
    expect(promised('10 0 perl/391 reserve A to=4 vma=V ret=4')).toBe('4');
    expect(
      promised(`
        10 0 perl/391 reserve A to=4 vma=V ret=4
        11 0 perl/391 hugepage_add F1 A index=2
        12 0 perl/391 hugepage_add F2 A index=0`),
    ).toBe('2');
  });

  it('is not promised the same twice, nor what another mapping has', () => {
    expect(
      promised(`
        10 0 perl/391 reserve A to=4 vma=V ret=4
        11 0 cat/392  reserve A to=4 vma=W ret=0
        12 0 cat/392  reserve A from=2 to=6 vma=X ret=2`),
    ).toBe('6');
  });

  it('is promised at most that where the kernel only says that it granted', () => {
    expect(promised('10 0 perl/391 reserve A to=4 vma=V ret=0')).toBe('≤ 4');
    expect(
      promised(`
        9  0 perl/391 hugepage_add F1 A index=1
        10 0 perl/391 reserve A to=4 vma=V ret=0`),
    ).toBe('≤ 3');
  });

  it('is promised nothing when it was refused', () => {
    expect(promised('10 0 perl/391 reserve A to=4 vma=V ret=-12')).toBe('');
  });

  it('gives back what is truncated, punched or evicted', () => {
    const reserved = '10 0 perl/391 reserve A to=8 vma=V ret=8';
    expect(promised(`${reserved}\n 11 0 perl/391 unreserve A start=5`)).toBe('5');
    // a page that was in the cache leaves with its entry
    expect(
      promised(`${reserved}
        11 0 perl/391 hugepage_add F1 A index=3
        12 0 perl/391 hugepage_remove F1 A index=1536
        13 0 perl/391 unreserve A start=3 end=4 freed=1`),
    ).toBe('7');
    expect(
      promised(`${reserved}
        20 0 perl/391 evict A
        21 0 perl/391 unreserve A
        22 0 perl/391 i_callback A`),
    ).toBe('');
  });

  it('of which an index was cached before it was seen is promised at most that', () => {
    const pipeline = pipelineOf('10 0 perl/391 reserve B ino=9 to=4 vma=V ret=4');
    expect([...pipeline.model.promises.all()]).toMatchObject([{ pages: 4, exact: false }]);
  });
});

describe('a private mapping', () => {
  const PRIVATE = `
    10 0 perl/391 resv_map_alloc P
    11 0 perl/391 reserve A to=4 vma=V ret=4`;

  it('is promised at most what was reserved for it, until its resv_map goes', () => {
    expect(promised(PRIVATE)).toBe('≤ 4');
    expect(promised(`${PRIVATE}\n 20 0 perl/391 resv_map_release P`)).toBe('');
    expect(promised(`${PRIVATE}\n 20 0 perl/391 resv_map_release Q`)).toBe('≤ 4');
  });

  it('does not have what the file was not promised when it was made (VM_NORESERVE)', () => {
    const granted = '5 0 perl/391 reserve A to=4';
    expect(promised(granted)).toBe('≤ 4');
    expect(promised(`${granted}\n${PRIVATE.replace('ret=4', 'ret=0')}`)).toBe('≤ 4');
  });

  it('cannot be told from a shared one where resv_map_alloc() is not seen', () => {
    const plan = { ...planOf(), resv_map_alloc: { missing: 'not here' } };
    expect(promised('11 0 perl/391 reserve A to=4 vma=V ret=4', { plan })).toBe('≤ 4');
  });
});

/** At each step of the program: what the pool has reserved, what was promised, what mounts keep. */
function stepsOf(kernel: string, name: string) {
  const model = new Model({ plan: planOf(), hugepageKb: 2048, keep: 1000 });
  const ignore = () => {};
  const decoder = new Decoder({
    event: (event) => model.apply(event),
    hits: ignore,
    lost: ignore,
    full: ignore,
    kept: ignore,
    frame: ignore,
    program: ignore,
    rejected: ignore,
  });
  const steps: { reserved: number; promised: number; kept: number }[] = [];
  for (const { kind, text } of framesOf({ kernel, name })) {
    if (kind === 'out') decoder.push(Buffer.from(text));
    for (const [, reserved] of text.matchAll(/^a pool \S+ 2048 -1 \d+ \d+ (\d+) /gm)) {
      const promised = [...model.promises.all()].reduce((sum, { pages }) => sum + pages, 0);
      const there = model.subpools.all().filter(({ state }) => state !== 'gone');
      const kept = there.reduce((sum, { min }) => sum + Math.max(0, min), 0);
      steps.push({ reserved: Number(reserved), promised, kept });
    }
  }
  return steps;
}

it.each(captures().map(({ kernel, name }) => [kernel, name] as const))(
  'the pool has never more reserved than is promised or kept for mounts: %s %s',
  (kernel, name) => {
    const steps = stepsOf(kernel, name);
    for (const { reserved, promised, kept } of steps) {
      expect(promised + kept).toBeGreaterThanOrEqual(reserved);
    }
    expect(steps.length).toBeGreaterThan(0);
    expect(steps.at(-1)!.promised).toBe(0);
  },
);

it.each(['6.18', '7.3'])('what is promised on %s is what the pool has reserved', (kernel) => {
  const steps = stepsOf(kernel, 's12_reserve_nofault');
  expect(steps.map(({ promised }) => promised)).toEqual(steps.map(({ reserved }) => reserved));
  expect(Math.max(...steps.map(({ reserved }) => reserved))).toBe(5);
});
