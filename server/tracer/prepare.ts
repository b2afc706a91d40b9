/** What has to be known of a host before a program can be made for it. */
import { gunzipSync } from 'node:zlib';
import { type Host, HostError } from '../host/host.ts';
import { Btf } from './btf.ts';
import { compile, hasOffsetof, type Program } from './compile.ts';
import { discover, type HostFacts } from './facts.ts';
import { FILESYSTEMS } from './filesystems.ts';
import { makePlan, type TracePlan } from './plan.ts';
import { loadProbes } from './programs.ts';

export interface Prepared {
  readonly facts: HostFacts;
  /** Plans, leaving out the attach points that were refused, with the words of the refusal. */
  plan(dropped?: ReadonlyMap<string, string>): TracePlan;
  compile(plan: TracePlan): Program[];
}

/** Asks the host. Throws HostError when it does not answer or has no bpftrace. */
export async function prepare(host: Host, fs: readonly string[]): Promise<Prepared> {
  const blocks = loadProbes();
  const functions = new Set(blocks.filter((b) => b.family === 'fentry').map((b) => b.target));
  for (const name of fs) {
    for (const op of Object.values(FILESYSTEMS[name]!.ops)) functions.add(op);
  }
  const facts = await discover(host, [...functions]);
  const btf = facts.btf && !hasOffsetof(facts.bpftrace) ? await readBtf(host) : null;
  return {
    facts,
    plan: (dropped) => makePlan(facts, blocks, fs, dropped),
    compile: (plan) => compile(plan, facts, btf),
  };
}

/** Without bpftrace there is nothing to run. */
export function requireBpftrace(host: Host, facts: HostFacts): void {
  if (facts.bpftrace !== '') return;
  throw new HostError(
    host.name,
    `bpftrace is not installed on ${host.name}`,
    'Install it there: apt install bpftrace   (Debian 12 or newer, Ubuntu 22.04 or newer)',
  );
}

async function readBtf(host: Host): Promise<Btf> {
  const answer = await host.run('gzip -1 < /sys/kernel/btf/vmlinux | base64', {
    root: true,
    timeoutMs: 120_000,
  });
  return new Btf(gunzipSync(Buffer.from(answer.stdout, 'base64')));
}
