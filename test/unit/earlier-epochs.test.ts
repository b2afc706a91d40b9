/** What is kept of the boots of a host before the one that runs. */
import { expect, it } from 'vitest';
import { boundEarlier } from '../../server/tracer/earlier-epochs.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { epochOf, lines } from '../fixtures/trace.ts';

/** An epoch in which so many inodes lived, one after the other, and one goes on. */
function booted(host: string, number: number, inodes: number): Pipeline {
  const pipeline = new Pipeline(epochOf({ host, number, detail: 'steps' }), { keep: 50 });
  pipeline.begin([['evict'], []]);
  const lived = Array.from({ length: inodes }, (_, i) => {
    const [at, address] = [i * 10, `A${i}`];
    return `
      ${at}   0 perl/391 evict ${address} ino=${i + 1}
      ${at + 1} 0 perl/391 destroy_inode ${address}
      ${at + 2} 0 perl/391 evict_end ${address}
      ${at + 5} 0 swap/0   i_callback ${address}
      ${at + 5} 0 swap/0   free_inode ${address}`;
  });
  pipeline.out(Buffer.from(lines(`${lived.join('')}\n90000 0 cat/5 alloc_inode B`)));
  pipeline.end(true, '');
  return pipeline;
}

const numbersOf = (pipeline: Pipeline) =>
  [...pipeline.model.inodes.all()].filter(({ state }) => state === 'ended').map(({ ino }) => ino);

it('of a host that is booted again and again, as many ended inodes as of one boot', () => {
  const all: Pipeline[] = [];
  const begin = (host: string, inodes: number) => {
    const pipeline = booted(host, all.length + 1, inodes);
    all.push(pipeline);
    boundEarlier(all, pipeline, 50);
  };
  begin('a', 30);
  begin('b', 40);
  begin('a', 30);
  begin('a', 60);
  expect(all.map((pipeline) => numbersOf(pipeline).length)).toEqual([20, 40, 30, 50]);
  // the oldest go first, and those that go on stay
  expect(numbersOf(all[0]!)).toEqual(Array.from({ length: 20 }, (_, i) => i + 11));
  expect(all[0]!.model.inodes.dropped).toBe(10);
  for (let boot = 0; boot < 20; boot++) begin('a', 30);
  const kept = all.map((pipeline) => numbersOf(pipeline).length);
  expect(kept.filter((inodes) => inodes > 0)).toEqual([40, 20, 30, 30]);
  // of the oldest nothing is known but what counts
  expect(all[0]!.model.inodes).toMatchObject({ size: 0, dropped: 31 });
  expect(makeReport([all[0]!]).inodes).toMatchObject({ ended: 30, live: 1 });
});
