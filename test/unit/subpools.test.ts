import { expect, it } from 'vitest';
import { pipelineOf } from '../fixtures/trace.ts';

const subpools = (table: string) =>
  pipelineOf(table)
    .model.subpools.all()
    .map(({ state, dev, max, min, used, reserved }) => ({
      state,
      dev,
      max,
      min,
      used,
      reserved,
    }));

const MADE = `
  1  0  mount/390  new_subpool P max=4 min=2
  2  0  mount/390  fill_super S dev=44`;
const mounted = { state: 'mounted', dev: 44, max: 4, min: 2, used: 0, reserved: 2 };

it('a subpool has the mount that was made in the same task', () => {
  expect(subpools('1 0 mount/390 new_subpool P max=4 min=2')).toMatchObject([
    { state: 'mounting', dev: null },
  ]);
  expect(subpools(MADE)).toEqual([mounted]);
  expect(subpools(MADE.replace('fill_super S', 'fill_super S ret=-12'))).toMatchObject([
    { state: 'failed', dev: 44 },
  ]);
  expect(subpools(MADE.replace('2  0  mount/390', '2  0  mount/391'))).toMatchObject([
    { state: 'mounting', dev: null },
  ]);
});

it('has the counters of the line that told them last', () => {
  expect(
    subpools(`${MADE}
      3 0 perl/391 alloc_inode A dev=44
      4 0 perl/391 subpool P A at=0 max=4 min=2 used=0 reserved=2
      5 0 perl/391 subpool P A at=1 max=4 min=2 used=3 reserved=0`),
  ).toEqual([{ ...mounted, used: 3, reserved: 0 }]);
});

it('that was there before is known from its first reservation, with the mount of the inode', () => {
  expect(
    subpools(`
      3 0 perl/391 alloc_inode A dev=44
      4 0 perl/391 subpool P A at=0 max=4 used=1`),
  ).toEqual([{ state: 'mounted', dev: 44, max: 4, min: -1, used: 1, reserved: 0 }]);
});

it('is gone when it is put, and kept while hugepages of it are in use', () => {
  const put = (rest: string) => subpools(`${MADE}\n9 0 umount/392 put_subpool P ${rest}`)[0]!.state;
  expect(put('max=4 min=2 reserved=2')).toBe('gone');
  expect(put('max=4 min=2 reserved=2 used=1')).toBe('kept');
  expect(put('max=4 min=2 reserved=2 count=2')).toBe('kept');
  expect(put('min=2 reserved=1')).toBe('kept');
});

it('another one at the same address takes its place, and the gone ones are bounded', () => {
  expect(subpools(`${MADE}\n9 0 mount/390 new_subpool P max=8`)).toMatchObject([{ max: 8 }]);
  const many = Array.from(
    { length: 100 },
    (_, i) => `${i} 0 a/1 new_subpool P max=${i}\n${i}.5 0 a/1 put_subpool P max=${i}`,
  );
  const gone = subpools(many.join('\n'));
  expect(gone).toHaveLength(64);
  expect(gone[0]).toMatchObject({ max: 99, state: 'gone' });
});
