/**
 * One probe of bpf/ in the words of a host: its names for functions, arguments and
 * members, its return types, its bpftrace, and kprobes where it has no fentry.
 */
import type { Btf, BtfFunction, BtfValue } from './btf.ts';
import type { HostFacts } from './facts.ts';
import { argumentOf } from './kernels.ts';
import { withMarks } from './marks.ts';
import type { TracePlan } from './plan.ts';
import type { ProbeBlock } from './programs.ts';
import { isRaw, withRawArguments } from './raw-tracepoints.ts';
import { hasOffsetof } from './versions.ts';

/** The texts of the programs that a probe becomes: two for a kretprobe that reads arguments. */
export function dialect(
  probe: ProbeBlock,
  plan: TracePlan,
  facts: HostFacts,
  btf: Btf | null,
): string[] {
  const proto = facts.types.functions?.get(probe.target) ?? null;
  let { predicate, body } = withMarks(probe, plan, facts);
  const both = (change: (text: string) => string) => {
    predicate = change(predicate);
    body = change(body);
  };
  if (proto !== null) {
    both((text) => withArguments(text, probe.target, proto));
    body = withReturn(body, probe, proto);
  }
  if (isRaw(probe)) both((text) => withRawArguments(text, probe.attach));
  if (facts.types.stateIsStruct) body = body.replaceAll('->i_state', '->i_state.__state');
  if (!facts.btf) {
    // nothing is known of struct task_struct: no comm, no flags
    body = body
      .replace(/^\t\$c = .*\n/m, '')
      .replaceAll('*(uint64 *)$c, *(uint64 *)($c + 8)', '(uint64)0, (uint64)0')
      .replaceAll('*(uint32 *)$c', '(uint32)0')
      .replaceAll('(uint64)((struct task_struct *)curtask)->flags', '(uint64)0');
  }
  if (!hasOffsetof(facts.bpftrace)) {
    both((text) =>
      text.replace(/offsetof\(struct (\w+), (\w+)\)/g, (_, struct, member) => {
        const offset = btf?.offsetOf(struct, member) ?? null;
        if (offset === null) throw new Error(`BTF has no struct ${struct} with a member ${member}`);
        return String(offset);
      }),
    );
  }
  if (probe.family === 'kprobe' && proto !== null) return asKprobe(probe, predicate, body, proto);
  return [`${probe.attach}\n${predicate}{\n${body}}`];
}

/** `args->folio` is `args->page` where the function calls it so. */
function withArguments(text: string, target: string, proto: BtfFunction): string {
  return text.replace(
    /args->(\w+)/g,
    (_, name: string) => `args->${argumentOf(target, name, proto.args) ?? name}`,
  );
}

/**
 * hugetlb_reserve_pages() returned a bool up to 6.12, pages or -errno later: the line
 * says 0 granted and -1 refused for the first.
 */
function withReturn(body: string, probe: ProbeBlock, proto: BtfFunction): string {
  if (probe.line === 'reserve' && proto.returns.size === 1) {
    return body.replace('(int64)retval', 'retval ? (int64)0 : (int64)-1');
  }
  return body;
}

/** A kprobe has registers for arguments; a kretprobe has lost them, so a kprobe keeps them. */
function asKprobe(
  probe: ProbeBlock,
  predicate: string,
  body: string,
  proto: BtfFunction,
): string[] {
  const used = new Set(
    [...(predicate + body).matchAll(/args->(\w+)/g)].map(([, name]) => name as string),
  );
  const index = (name: string) => proto.args.findIndex((arg) => arg.name === name);
  if (probe.attach.startsWith('kprobe:')) {
    const text = (part: string) =>
      part.replace(/args->(\w+)/g, (_, name) =>
        cast(`arg${index(name)}`, proto.args[index(name)]!),
      );
    return [`${probe.attach}\n${text(predicate)}{\n${text(body)}}`];
  }
  const value = (text: string) => text.replace(/\bretval\b/g, returned(proto.returns));
  if (used.size === 0) return [`${probe.attach}\n${predicate}{\n${value(body)}}`];
  // by thread and depth: evict() may run inside evict()
  const fn = probe.target;
  const saved = (name: string) => `@kept_${fn}_${name}[tid, @depth_${fn}[tid]]`;
  const kept = (part: string) =>
    part.replace(/args->(\w+)/g, (_, name) => cast(saved(name), proto.args[index(name)]!));
  const keep = [...used].map((name) => `\t${saved(name)} = arg${index(name)};\n`).join('');
  const drop = [...used].map((name) => `\tdelete(${saved(name)});\n`).join('');
  const inner = predicate.replace(/^\/(.*)\/\n$/, '$1');
  const print =
    inner === '' ? value(kept(body)) : `\tif (${kept(inner)}) {\n${value(kept(body))}\t}\n`;
  return [
    `kprobe:${fn}\n{\n\t@depth_${fn}[tid]++;\n${keep}}`,
    `${probe.attach}\n/@depth_${fn}[tid] > 0/\n{\n${print}${drop}\t@depth_${fn}[tid]--;\n` +
      `\tif (@depth_${fn}[tid] == 0) {\n\t\tdelete(@depth_${fn}[tid]);\n\t}\n}`,
  ];
}

function cast(register: string, arg: BtfValue): string {
  if (arg.pointsTo !== '') return `((struct ${arg.pointsTo} *)${register})`;
  return `(${arg.signed ? 'int' : 'uint'}${arg.size * 8 || 64})${register}`;
}

/** A kretprobe's value is a whole register. */
function returned({ pointsTo, size, signed }: BtfValue): string {
  if (pointsTo !== '' || size === 8 || size === 0) return 'retval';
  return `(${signed ? 'int' : 'uint'}${size * 8})retval`;
}
