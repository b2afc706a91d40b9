/** Filesystems that are not in the table: asked of the host's kernel, and planned as it says. */
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Host, HostError, type RunResult } from '../../server/host/host.ts';
import { DEFAULT_ALERTING } from '../../server/protocol/config.ts';
import { EpochInfo } from '../../server/protocol/recording.ts';
import { compile } from '../../server/tracer/compile.ts';
import { epochInfo } from '../../server/tracer/epoch-info.ts';
import { parseFacts } from '../../server/tracer/facts.ts';
import { FILESYSTEMS } from '../../server/tracer/filesystems.ts';
import { type Detail, makePlan, type TracePlan } from '../../server/tracer/plan.ts';
import { prepare } from '../../server/tracer/prepare.ts';
import { loadProbes } from '../../server/tracer/programs.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { parseSurvey, survey } from '../../server/tracer/survey.ts';
import { factsText, HOSTS, type HostKind, SURVEY } from '../fixtures/hosts.ts';
import { btfOfKernel } from '../fixtures/kernels.ts';
import { pipelineOf } from '../fixtures/trace.ts';

const BLOCKS = loadProbes();
const OPTIONS = { stepsBelow: 5000 };

/** A host that answers every script so. */
function answering(some: Partial<RunResult>): Host & { readonly scripts: string[] } {
  const scripts: string[] = [];
  const run = async (script: string) => {
    scripts.push(script);
    return { code: 0, stdout: '', stderr: '', timedOut: false, ...some };
  };
  return { name: 'box', scripts, run } as unknown as Host & { readonly scripts: string[] };
}

const refusal = (host: Host, fs: readonly string[]): Promise<HostError> =>
  survey(host, fs, 'bpftrace').then(
    () => expect.unreachable(),
    (error) => error as HostError,
  );

describe('the survey', () => {
  it('has the magic and the operations of each type, once, and none that is NULL', () => {
    const found = parseSurvey(SURVEY);
    expect(Object.keys(found)).toHaveLength(12);
    expect(found.overlay).toEqual({
      magic: 0x794c7630,
      module: 'vmlinux',
      ops: { destroy_op: 'ovl_destroy_inode', free_inode: 'ovl_free_inode' },
    });
    expect(found.ramfs!.ops).toEqual({});
    expect(found.xfs!.ops).toEqual({ destroy_op: 'xfs_fs_destroy_inode' });
    expect(found.ext4!.ops).toEqual(FILESYSTEMS.ext4!.ops);
  });

  it('takes the first of a type, and no line that is none', () => {
    const two =
      'sb 1 a_evict 0 0 afs\nsb 2 b_evict 0 0 afs\nsb 3 c d\nsb zz a b c bfs\nsb 1 a b c d e\n';
    expect(Object.entries(parseSurvey(two)).map(([name, { magic }]) => [name, magic])).toEqual([
      ['afs', 1],
    ]);
    expect(parseSurvey('sb 7 rm;-rf $(x) 0 evil`x`\nsb 7 f"x" 0 0 dfs\n')).toEqual({
      dfs: { magic: 7, module: 'vmlinux', ops: {} },
    });
  });

  it('asks nothing of a host for what is known', async () => {
    const host = answering({ stdout: SURVEY });
    expect(await survey(host, ['hugetlbfs', 'ext4'], 'bpftrace')).toBe(FILESYSTEMS);
    expect(host.scripts).toEqual([]);
    const found = await survey(host, ['hugetlbfs', 'xfs'], '/opt/b t/bpftrace');
    expect(Object.keys(found)).toEqual([...Object.keys(FILESYSTEMS), 'xfs']);
    expect(host.scripts).toHaveLength(1);
    expect(host.scripts[0]).toMatch(/'\/opt\/b t\/bpftrace'\S* -e \S*BEGIN/);
  });

  it('that knows no such type names those that are mounted', async () => {
    const error = await refusal(answering({ stdout: SURVEY }), ['xfs', 'f2fs', 'nfs']);
    expect(error).toBeInstanceOf(HostError);
    expect(error.message).toContain('no filesystem of the type f2fs, nfs is mounted on box');
    expect(error.hint).toContain('Types there: btrfs, devtmpfs, ext3,');
  });

  it('that came to nothing says what bpftrace said', async () => {
    const stderr = 'ERROR: Failed to resolve kernel symbol: super_blocks\n';
    const error = await refusal(answering({ code: 1, stderr }), ['xfs']);
    expect(error.message).toContain(stderr.trim());
    expect((await refusal(answering({ code: 127 }), ['xfs'])).message).toContain('it said nothing');
  });

  it('of a tracer that begins again keeps what has been unmounted since', async () => {
    const before = await survey(answering({ stdout: SURVEY }), ['xfs', 'btrfs'], 'bpftrace');
    const now = answering({ stdout: SURVEY.replace(/^.* xfs\n/m, '') });
    expect(await survey(now, ['xfs', 'btrfs'], 'bpftrace', before)).toEqual(before);
    // and does not ask again
    expect(now.scripts).toEqual([]);
    const silent = await survey(answering({ code: 1 }), ['xfs'], 'bpftrace', before);
    expect(silent.xfs).toEqual(before.xfs);
  });
});

it('the BTF of a module that cannot be read costs its functions, and nothing else', async () => {
  const symbols = ['evict', 'ovl_free_inode[overlay]'].join('\n');
  const packed = (bytes: Buffer) => gzipSync(bytes).toString('base64');
  const btf = `${packed(btfOfKernel('6.12').vmlinux)}\n==\n${packed(Buffer.from('no BTF'))}\n==\n`;
  const facts = factsText({ symbols, boot: 'a boot of its own' });
  const run = async (script: string) => {
    const stdout = script.includes('== kernel') ? facts : btf;
    return { code: 0, stdout, stderr: '', timedOut: false };
  };
  const host = { name: 'box', run } as unknown as Host;
  const known = { ...FILESYSTEMS, overlay: parseSurvey(SURVEY).overlay! };
  const options = {
    ...OPTIONS,
    detail: 'steps',
    families: ['fentry'],
    bpftrace: 'bpftrace',
  } as const;
  const { facts: found } = await prepare(host, { ...options, fs: ['overlay'] }, known);
  expect(found.modules).toContain('overlay');
  expect(found.types.functions!.has('evict')).toBe(true);
  expect(found.types.functions!.has('ovl_free_inode')).toBe(false);
});

it('a function is in the module that kallsyms says, and in vmlinux where it is in both', () => {
  const symbols = 'evict\nxfs_fs_destroy_inode[xfs]\nevict[other]';
  const facts = parseFacts(factsText({ symbols, modules: 'kvm' }))!;
  expect(facts.symbols).toEqual(['evict', 'xfs_fs_destroy_inode']);
  expect(facts.moduleOf).toEqual({ xfs_fs_destroy_inode: 'xfs' });
  expect(facts.modules).toEqual(['kvm', 'xfs']);
});

it('an inode has the name of its type before its superblock was told', () => {
  const alloc = '0 0 sh/5 alloc_inode A dev=40 magic=794c7630';
  const [inode] = pipelineOf(alloc, { magics: { '794c7630': 'overlay' } }).model.inodes.all();
  expect(inode!.fs).toBe('overlay');
  const [other] = pipelineOf(alloc).model.inodes.all();
  expect(other!.fs).toBe('0x794c7630');
  const { facts, fs } = HOSTS['6.12-mounted']!;
  const plan = makePlan(facts, BLOCKS, { fs, detail: 'steps', families: ['fentry'] });
  const info = epochInfo(facts, plan, { number: 1, host: 'box', alerts: DEFAULT_ALERTING });
  expect(EpochInfo.parse(info).magics).toMatchObject({ '794c7630': 'overlay', '58465342': 'xfs' });
});

it('of a filesystem that is traced for its canaries nothing else is shown', () => {
  const pipeline = pipelineOf(
    `
    0   0 sh/5 alloc_inode A dev=25 magic=1021994
    1   0 sh/5 sb U dev=25 magic=1021994 fstype=tmpfs evict_inode=shmem_evict_inode destroy_inode=shmem_destroy_inode free_inode=shmem_free_in_core_inode
    1   0 sh/5 evict A dev=25 magic=1021994 ino=7
    2   0 sh/5 destroy_inode A
    3   0 sh/5 evict_end A
    4   0 sh/5 alloc_inode C dev=40 magic=794c7630
    20  0 rcu/1 i_callback A free_inode=shmem_free_in_core_inode
    21  0 rcu/1 free_inode A`,
    { hidden_magic: 0x01021994, magics: { '794c7630': 'overlay' } },
  );
  const { inodes, callbacks } = makeReport([pipeline]);
  expect(callbacks).toEqual([]);
  expect(inodes.by_fs).toEqual({ overlay: expect.objectContaining({ ended: 0, live: 1 }) });
  const [hidden] = pipeline.model.inodes.all();
  expect(hidden).toMatchObject({ state: 'ended', canary: true });
});

it('what is not shown takes no room from what is', () => {
  const life = (ms: number, name: string, of: string) => `
    ${ms}     0 sh/5  alloc_inode ${name} ${of}
    ${ms + 1} 0 sh/5  evict ${name} ${of} ino=${ms}
    ${ms + 2} 0 sh/5  destroy_inode ${name}
    ${ms + 3} 0 sh/5  evict_end ${name}
    ${ms + 4} 0 rcu/1 i_callback ${name} free_inode=x_free_inode
    ${ms + 5} 0 rcu/1 free_inode ${name}`;
  const shown = [0, 1, 2].map((i) => life(10 * i, `A${i}`, 'dev=40 magic=794c7630'));
  const others = Array.from({ length: 50 }, (_, i) =>
    life(100 + 10 * i, `B${i % 4}`, 'dev=25 magic=1021994'),
  );
  const { model } = pipelineOf(
    [...shown, ...others].join(''),
    { hidden_magic: 0x01021994, magics: { '794c7630': 'overlay' } },
    { keep: 5 },
  );
  const known = [...model.inodes.all()].map(({ fs }) => fs);
  expect(known.filter((fs) => fs === 'overlay')).toHaveLength(3);
  expect(known).toHaveLength(3 + 5);
  expect(model.inodes.dropped).toBe(0);
});

it('a canary is made on shmem where none can be made on what was asked for', () => {
  const { facts } = HOSTS['6.12-mounted']!;
  const info = (fs: readonly string[]) => {
    const plan = makePlan(facts, BLOCKS, { fs, detail: 'steps', families: ['fentry'] });
    return epochInfo(facts, plan, { number: 1, host: 'box', alerts: DEFAULT_ALERTING });
  };
  expect(info(['xfs'])).toMatchObject({
    fs: ['xfs'],
    canaries: ['shmem'],
    hidden_magic: 0x1021994,
  });
  expect(info(['xfs', 'hugetlbfs'])).toMatchObject({ canaries: ['hugetlbfs'], hidden_magic: null });
  // of the same magic
  expect(info(['devtmpfs'])).toMatchObject({ canaries: ['shmem'], hidden_magic: null });
});

describe('a plan', () => {
  const host = HOSTS['6.12-mounted']!;
  const planOf = (
    fs: readonly string[],
    detail: Detail = 'steps',
    dropped: readonly string[] = [],
    of: HostKind = host,
  ) =>
    makePlan(of.facts, BLOCKS, {
      fs,
      detail,
      families: of.families,
      dropped: new Map(dropped.map((attach) => [attach, 'bpftrace: refused'])),
    });
  const attachOf = ({ probes }: TracePlan) => probes.map(({ attach }) => attach);
  const textsOf = (plan: TracePlan, of: HostKind = host) =>
    compile(plan, of.facts, of.btf, OPTIONS).map(({ text }) => text);

  it('attaches to the functions of a module, and to one that two types have once', () => {
    const attached = attachOf(planOf(['overlay', 'ext4', 'ext3', 'xfs']));
    expect(attached).toContain('kfunc:overlay:ovl_destroy_inode');
    expect(attached).toContain('kfunc:overlay:ovl_free_inode');
    expect(attached).toContain('kfunc:xfs:xfs_fs_destroy_inode');
    expect(attached.filter((attach) => attach.endsWith('ext4_destroy_inode'))).toHaveLength(1);
    expect(attached.filter((attach) => /hugetlbfs_\w+_inode$/.test(attach))).toEqual([]);
    const kprobes = HOSTS['6.12-mounted-family-kprobe']!;
    expect(attachOf(planOf(['xfs'], 'steps', [], kprobes))).toContain(
      'kprobe:xfs_fs_destroy_inode',
    );
  });

  it('knows an inode again by its mark where i_callback() has nothing to tell it by', () => {
    const [steps, rcu] = textsOf(planOf(['overlay', 'ramfs', 'xfs', 'sockfs', 'pipefs', 'proc']));
    expect(steps).not.toContain('@mine');
    // in a module, and NULL; no callback comes of xfs and pipefs
    for (const magic of ['794c7630', '858458f6']) expect(rcu).toContain(`@rcu[0x${magic}] = 1;`);
    expect(rcu!.match(/@rcu\[0x\w+\] = 1;/g)).toHaveLength(2);
    expect(rcu).toContain('@free_inode[kaddr("sock_free_inode")] = 1;');
    // proc's, sockfs', and shmem's, which has the canary
    expect(rcu!.match(/kaddr\("\w+"\)/g)).toHaveLength(3);
    for (const target of ['evict', 'destroy_inode']) {
      expect(rcu).toContain(`kfunc:vmlinux:${target}\n/@rcu[args->inode->i_sb->s_magic]/\n`);
    }
    expect(rcu).toContain('|| @mine[(uint64)$i]) {');
    expect(rcu).toContain('delete(@mine[(uint64)$i]);');
    // one for which there is no room has no end: that is told
    expect(rcu).toContain('@full = count();');
    expect(rcu).toContain('print(@full);');
    for (const fs of [['sockfs'], ['xfs'], ['hugetlbfs']]) {
      expect(textsOf(planOf(fs)).join('')).not.toContain('@mine');
    }
    // where evict() has kept it there is no need
    for (const detail of ['auto', 'lifecycle'] as const) {
      const [, text] = textsOf(planOf(['overlay'], detail));
      expect(text).toMatch(/if \(@evict\[\(uint64\)args->inode\]\.0 == 0\) \{\n\t@mine\[/);
      expect(text).toMatch(/\} else if \(@free_inode\[.*\] \|\| @mine\[\(uint64\)\$i\]\) \{/);
    }
  });

  it('tells each stage at once where no callback of RCU comes at which a line could tell all', () => {
    for (const detail of ['auto', 'lifecycle'] as const) {
      const plan = planOf(['xfs', 'btrfs'], detail);
      expect(plan.detail).toBe('steps');
      expect(plan.plan.lifecycle).toMatchObject({
        missing: expect.stringContaining('frees by itself (xfs)'),
      });
      expect(attachOf(plan)).toContain('kfunc:xfs:xfs_fs_destroy_inode');
      expect(attachOf(plan)).not.toContain('kfunc:vmlinux:free_inode_nonrcu');
      expect(planOf(['btrfs', 'ramfs', 'sockfs'], detail).detail).toBe(detail);
    }
  });
});
