/** Inodes of a filesystem with a destroy_inode and no free_inode: it frees them by itself. */
import { describe, expect, it } from 'vitest';
import type { Incarnation } from '../../server/model/incarnation.ts';
import type { Model } from '../../server/model/model.ts';
import { whyUnseen } from '../../server/model/unseen.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { pipelineOf } from '../fixtures/trace.ts';

const SB =
  'sb U dev=15 magic=50495045 fstype=pipefs evict_inode=0 destroy_inode=free_inode_nonrcu free_inode=0';
const OF = 'dev=15 magic=50495045';
const STEPS = `
  0     0 sh/5 alloc_inode A ${OF}
  10    0 sh/5 ${SB}
  10    0 sh/5 evict A ${OF} ino=7
  10.1  0 sh/5 truncate_final A
  10.2  0 sh/5 clear_inode A
  10.3  0 sh/5 destroy_inode A
  10.4  0 sh/5 destroy_op A`;

const all = (model: Model) => [...model.inodes.all()];
const states = (model: Model) => all(model).map(({ ino, state }: Incarnation) => `${ino} ${state}`);

describe('an inode that its filesystem frees', () => {
  it('has ended when evict() returns, and waits for nothing', () => {
    const before = pipelineOf(STEPS).model;
    expect(states(before)).toEqual(['7 evicting']);
    const pipeline = pipelineOf(`${STEPS}
      10.5 0 sh/5 evict_end A`);
    const { model } = pipeline;
    expect(states(model)).toEqual(['7 ended']);
    expect([...model.waiting()]).toEqual([]);
    expect(model.superblocks.all()).toMatchObject([{ confirmed: 0, contradicted: 0 }]);
    const { inodes, stages } = makeReport([pipeline]);
    expect(inodes.by_fs.pipefs).toMatchObject({ ended: 1, live: 0 });
    expect(stages['evict..evict_end pipefs']).toMatchObject({ count: 1, max_ns: 500_000 });
    const [inode] = all(model);
    expect(inode!.freeContext).toBe('unknown');
    expect(whyUnseen(model, inode!, 'i_callback')).toBe(
      'not called: free_inode_nonrcu() frees the inode by itself',
    );
  });

  it('has ended also when its address is used again before evict() returns', () => {
    for (const next of [`alloc_inode A ${OF}`, `evict A ${OF} ino=8`]) {
      const { model } = pipelineOf(`${STEPS}
        10.45 1 sh/6 ${next}
        10.5  0 sh/5 evict_end A`);
      expect(states(model)).toEqual([
        '7 ended',
        next.startsWith('evict') ? '8 evicting' : '0 open',
      ]);
      expect(all(model)[0]!.at('evict_end')).toBe(10.5e6);
      expect(model.unseen.size).toBe(0);
      expect(model.inodes.filesystems.countsOf('pipefs').lost).toBe(0);
    }
  });

  it('whose destroy_inode() was lost does not make an end of the next one at its address', () => {
    const lost = STEPS.split('\n').slice(0, -2).join('\n');
    const { model } = pipelineOf(`${lost}
      10.45 1 sh/6 alloc_inode A ${OF}
      10.5  0 sh/5 evict_end A`);
    expect(states(model)).toEqual(['7 lost', '0 open']);
  });

  it('takes no end from another whose eviction began before tracing', () => {
    const { model } = pipelineOf(`${STEPS}
      20   1 sh/6 unreserve B dev=11 ino=9 start=0 end=1 freed=1
      20.1 1 sh/6 evict_end B`);
    const [, other] = all(model);
    expect([other!.ino, other!.state, other!.at('evict_end')]).toEqual([9, 'evicting', 20.1e6]);
  });

  it('is known to be one though its superblock was never told', () => {
    const { model } = pipelineOf(`${STEPS.split('\n')
      .filter((row) => !row.includes(' sb '))
      .join('\n')}
      10.5 0 sh/5 evict_end A`);
    expect(states(model)).toEqual(['7 ended']);
    expect(model.unseen.size).toBe(0);
  });

  it('is stuck in evict() when its destroy_inode does not return', () => {
    const seconds = Array.from({ length: 70 }, (_, i) => `${1000 + i * 1000} 0 a/1 tick`);
    const pipeline = pipelineOf(`${STEPS}\n${seconds.join('\n')}`);
    expect(pipeline.leaks()).toMatchObject([
      { kind: 'stuck', text: 'evict() began, and the inode has not ended' },
    ]);
  });

  it('keeps no older return of evict() for a later inode of its task', () => {
    const { model } = pipelineOf(`${STEPS}
      15 1 sh/6 alloc_inode A ${OF}
      20 0 sh/5 alloc_inode B ${OF}
      21 0 sh/5 evict B ${OF} ino=8
      22 0 sh/5 destroy_inode B
      23 0 sh/5 destroy_op B
      24 0 sh/5 evict_end B
      25 0 sh/5 evict_end A`);
    expect(states(model)).toEqual(['7 ended', '0 open', '8 ended']);
    expect(all(model).map((inode) => inode.at('evict_end'))).toEqual([null, null, 24e6]);
  });
});
