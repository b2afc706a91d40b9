/** What has to be known of a host before a program can be made for it. */
import { gunzipSync } from 'node:zlib';
import { type Host, HostError } from '../host/host.ts';
import { Btf } from './btf.ts';
import { compile, type Program } from './compile.ts';
import { discover, type HostFacts, type KernelTypes } from './facts.ts';
import type { Filesystems } from './filesystems.ts';
import { namesOf } from './kernels.ts';
import { type Detail, makePlan, type TracePlan } from './plan.ts';
import { type Family, loadProbes, type ProbeBlock } from './programs.ts';
import { survey } from './survey.ts';

export interface TraceOptions {
  readonly fs: readonly string[];
  readonly detail: Detail;
  /** Families that may be used. */
  readonly families: readonly Family[];
  /** bpftrace's name or path on the host. */
  readonly bpftrace: string;
  /** Inodes a second above which `auto` stops telling each stage. */
  readonly stepsBelow: number;
}

export interface Prepared {
  readonly facts: HostFacts;
  /** Plans, leaving out the attach points that were refused, with the words of the refusal. */
  plan(dropped?: ReadonlyMap<string, string>): TracePlan;
  compile(plan: TracePlan): Program[];
}

/** Every kernel function that a plan for these filesystems may want, under each of its names. */
export function wantedFunctions(
  blocks: readonly ProbeBlock[],
  fs: readonly string[],
  filesystems: Filesystems,
): string[] {
  const functions = blocks.filter((b) => b.family === 'fentry').map((b) => b.target);
  // shmem: a canary may have to be made on it
  for (const name of [...fs, 'shmem']) functions.push(...Object.values(filesystems[name]!.ops));
  return [...new Set(functions.flatMap(namesOf))];
}

/**
 * Asks the host. `known`: what it said of its filesystems before. Throws HostError when it does
 * not answer, or has no filesystem of a type that was asked for.
 */
export async function prepare(
  host: Host,
  options: TraceOptions,
  known?: Filesystems,
): Promise<Prepared> {
  const blocks = loadProbes();
  const filesystems = await survey(host, options.fs, options.bpftrace, known);
  const functions = wantedFunctions(blocks, options.fs, filesystems);
  const said = { ...(await discover(host, functions, options.bpftrace)), filesystems };
  const btf = said.btf ? await readBtf(host, said) : [];
  const facts = btf.length === 0 ? said : { ...said, types: typesOf(btf, functions) };
  return {
    facts,
    plan: (dropped) => makePlan(facts, blocks, { ...options, dropped: dropped ?? new Map() }),
    compile: (plan) => compile(plan, facts, btf[0] ?? null, options),
  };
}

/** Without bpftrace there is nothing to run. */
export function requireBpftrace(host: Host, facts: HostFacts, bpftrace: string): void {
  if (facts.bpftrace !== '') return;
  if (bpftrace !== 'bpftrace') {
    throw new HostError(
      host.name,
      `--bpftrace: there is no ${JSON.stringify(bpftrace)} on ${host.name}, or it does not tell its version`,
      `Try it there: ${bpftrace} --version`,
    );
  }
  throw new HostError(
    host.name,
    `bpftrace is not installed on ${host.name}`,
    'Install it there: apt install bpftrace   (Debian 12 or newer, Ubuntu 22.04 or newer)',
  );
}

/** `btfs`: that of vmlinux, then those of modules. Exported for tests. */
export function typesOf(btfs: readonly Btf[], functions: readonly string[]): KernelTypes {
  const found = functions.flatMap((name) => {
    for (const btf of btfs) {
      const proto = btf.functionOf(name);
      if (proto !== null) return [[name, proto] as const];
    }
    return [];
  });
  const btf = btfs[0]!;
  const state = btf.memberOf('inode', 'i_state');
  const freeing = btf.enumerator('I_FREEING');
  const clear = btf.enumerator('I_CLEAR');
  // enumerators since 6.18; macros before, whose bits moved when i_state became a u32 (6.12)
  const macros = state?.size === 8 ? 0x60 : state?.size === 4 ? 0x180 : null;
  return {
    functions: new Map(found),
    stateIsStruct: state?.isStruct === true,
    freedState: freeing !== null && clear !== null ? freeing | clear : macros,
  };
}

/** That of a large kernel has 7 MB. */
const MAX_BTF_BYTES = 64 * 1024 * 1024;

/** BTF of the kernels met so far: 5 MB each, which a restart of the tracer need not fetch again. */
const kept = new Map<string, readonly Btf[]>();

/** That of vmlinux, and those of the modules with wanted functions, which go on where it ends. */
async function readBtf(host: Host, facts: HostFacts): Promise<readonly Btf[]> {
  const modules = facts.modules.filter((name) => /^\w+$/.test(name));
  const key = `${facts.bootId} ${modules.join(' ')}`;
  const before = kept.get(key);
  if (before !== undefined) return before;
  const answer = await host.run(
    `for f in vmlinux ${modules.join(' ')}; do [ -r /sys/kernel/btf/$f ] && gzip -1 < /sys/kernel/btf/$f | base64; echo ==; done`,
    { root: true, timeoutMs: 120_000 },
  );
  const btfs: Btf[] = [];
  for (const text of answer.stdout.split('==\n').filter((part) => part !== '')) {
    try {
      btfs.push(new Btf(unpack(host, text), btfs[0]));
    } catch (error) {
      // of a module that was built elsewhere: its functions have none, and the plan says so
      if (btfs.length === 0) throw error;
    }
  }
  if (btfs.length === 0) {
    throw new HostError(host.name, `the BTF of ${host.name}'s kernel could not be read`, '');
  }
  if (kept.size > 16) kept.clear();
  kept.set(key, btfs);
  return btfs;
}

/** What a host sends may be no archive, or one that grows without end. */
function unpack(host: Host, text: string): Buffer {
  try {
    return gunzipSync(Buffer.from(text, 'base64'), { maxOutputLength: MAX_BTF_BYTES });
  } catch (error) {
    throw new HostError(
      host.name,
      `the BTF of ${host.name}'s kernel could not be read: ${(error as Error).message}`,
      'Look there at /sys/kernel/btf/vmlinux, and at `gzip -1 < /sys/kernel/btf/vmlinux | gzip -d | wc -c`',
    );
  }
}
