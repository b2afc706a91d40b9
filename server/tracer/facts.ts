/** What a test host offers to a tracer, asked of the host itself. */
import { quote, withTracefs } from '../host/agent.ts';
import { type Host, HostError } from '../host/host.ts';
import type { BtfFunction } from './btf.ts';
import { FILESYSTEMS, type Filesystems } from './filesystems.ts';

export interface HostFacts {
  /** `uname -r`. */
  readonly kernel: string;
  readonly machine: string;
  /** /proc/sys/kernel/random/boot_id: the epoch. */
  readonly bootId: string;
  /** `0.23.2`; empty when bpftrace is not installed. */
  readonly bpftrace: string;
  readonly cpus: number;
  /** Of a page. */
  readonly pageBytes: number;
  /** KiB, /proc/meminfo: the default hugepage, and all memory. */
  readonly hugepageKb: number;
  readonly memoryKb: number;
  /** Whether /sys/kernel/btf/vmlinux is there. */
  readonly btf: boolean;
  /** Wanted functions that ftrace can attach to; null when the kernel does not tell, with why. */
  readonly traceable: readonly string[] | null;
  readonly traceableWhy: string;
  /** Wanted functions that are in /proc/kallsyms at all. */
  readonly symbols: readonly string[];
  /** Of these, the module of those that are in one. */
  readonly moduleOf: Readonly<Record<string, string>>;
  /** Those of the modules with wanted functions that are loaded, or built in. */
  readonly modules: readonly string[];
  /** `hugetlbfs:hugetlbfs_evict_inode`, ... */
  readonly tracepoints: readonly string[];
  /** Whether kprobes can be made: there is a kprobe_events file. */
  readonly kprobes: boolean;
  /** Whether ftrace has direct calls, which fentry needs; null when the configuration is not told. */
  readonly directCalls: boolean | null;
  /** kernel.ftrace_enabled is 0: probes on functions attach, and never run. */
  readonly ftraceOff: boolean;
  readonly types: KernelTypes;
  /** Those that can be asked for: prepare() adds what was asked for and is mounted. */
  readonly filesystems: Filesystems;
}

/** What the kernel's BTF says; prepare() adds it. */
export interface KernelTypes {
  /** Those of the wanted functions that BTF has; null without BTF. */
  readonly functions: ReadonlyMap<string, BtfFunction> | null;
  /** i_state is a struct with a member `__state` (7.0 and newer). */
  readonly stateIsStruct: boolean;
  /** `I_FREEING | I_CLEAR`: i_state of an inode in destroy_inode(); null when not known. */
  readonly freedState: number | null;
}

export const NO_TYPES: KernelTypes = { functions: null, stateIsStruct: false, freedState: null };

/** A shell script that prints `== SECTION` and what belongs to it. */
function discoveryScript(functions: readonly string[], bpftrace: string): string {
  return withTracefs(
    [
      't=/sys/kernel/tracing; [ -d $t/events ] || t=/sys/kernel/debug/tracing',
      `want='${functions.join('|')}'`,
      'echo "== kernel"; uname -r',
      'echo "== machine"; uname -m',
      'echo "== boot"; cat /proc/sys/kernel/random/boot_id',
      `b=${quote(bpftrace)}; echo "== bpftrace"; command -v "$b" >/dev/null && "$b" --version 2>/dev/null`,
      'echo "== cpus"; grep -c ^processor /proc/cpuinfo',
      'echo "== page"; getconf PAGESIZE 2>/dev/null || awk "/^KernelPageSize:/{print \\$2 * 1024; exit}" /proc/self/smaps',
      "echo '== hugepage'; awk '/^Hugepagesize:/{print $2}' /proc/meminfo",
      "echo '== memory'; awk '/^MemTotal:/{print $2}' /proc/meminfo",
      'echo "== btf"; [ -r /sys/kernel/btf/vmlinux ] && echo yes',
      'echo "== kprobes"; [ -e $t/kprobe_events ] && echo yes',
      'echo "== direct"; { cat "/boot/config-$(uname -r)" || zcat /proc/config.gz; } 2>/dev/null | sed -n "s/^CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS=//p; s/^# CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS is not set/n/p"',
      'echo "== ftrace"; cat /proc/sys/kernel/ftrace_enabled 2>/dev/null',
      'echo "== traceable"; { grep -oE "^($want)( |\t|\\$)" $t/available_filter_functions || [ $? = 1 ]; } 2>&1 | tr -d " \t"',
      'echo "== symbols"; awk \'{print $3 $4}\' /proc/kallsyms | grep -E "^($want|vmemmap_base)(\\[|\\$)" | sort -u',
      'echo "== modules"; cd /sys/module && ls -d kvm 2>/dev/null',
      'echo "== tracepoints"; cd $t/events 2>/dev/null && ls -d hugetlbfs/*/ filemap/mm_filemap_*/ 2>/dev/null | sed "s,/$,,; s,/,:,"',
    ].join('\n'),
  );
}

/**
 * Asks the host. `functions`: the kernel functions that some plan might want;
 * `bpftrace`: its name or path there.
 */
export async function discover(
  host: Host,
  functions: readonly string[],
  bpftrace: string,
): Promise<HostFacts> {
  const answer = await host.run(discoveryScript(functions, bpftrace), {
    root: true,
    timeoutMs: 120_000,
  });
  const facts = parseFacts(answer.stdout);
  if (facts === null) {
    throw new HostError(
      host.name,
      `asked what ${host.name} offers to a tracer, and got no answer:\n${answer.stderr.trim().split('\n').slice(-3).join('\n')}`,
      'Is it a Linux machine with a POSIX shell, and is /proc mounted?',
    );
  }
  return facts;
}

/** Exported for tests: what the discovery script printed. */
export function parseFacts(text: string): HostFacts | null {
  const sections = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('== ')) {
      current = [];
      sections.set(line.slice(3).trim(), current);
    } else if (line !== '') {
      current.push(line.trim());
    }
  }
  const first = (section: string) => sections.get(section)?.[0] ?? '';
  const kernel = first('kernel');
  if (kernel === '' || !sections.has('tracepoints')) return null;
  const listed = sections.get('traceable') ?? [];
  const complaint = listed.find((line) => line.includes(':'));
  const traceable = listed.filter((line) => /^[\w.]+$/.test(line));
  const known = complaint === undefined && traceable.length > 0;
  // `xfs_fs_destroy_inode[xfs]` in a module
  const symbols = (sections.get('symbols') ?? []).map((line) => line.split(/[[\]]/));
  const builtIn = new Set(symbols.filter(({ length }) => length === 1).map(([name]) => name));
  const inModules = symbols.filter(([name, module]) => module !== undefined && !builtIn.has(name));
  const moduleOf = Object.fromEntries(inModules.map(([name, module]) => [name!, module!]));
  return {
    kernel,
    machine: first('machine'),
    bootId: first('boot'),
    bpftrace: /(\d+\.\d+\.\d+)/.exec(first('bpftrace'))?.[1] ?? '',
    cpus: Number(first('cpus')) || 1,
    pageBytes: Number(first('page')) || 4096,
    hugepageKb: Number(first('hugepage')) || 2048,
    memoryKb: Number(first('memory')) || 1_000_000,
    btf: first('btf') === 'yes',
    traceable: known ? traceable : null,
    traceableWhy: complaint === undefined ? 'ftrace lists no function' : reason(complaint),
    symbols: [...new Set(symbols.map(([name]) => name!))],
    moduleOf,
    modules: [...new Set([...(sections.get('modules') ?? []), ...Object.values(moduleOf)])],
    tracepoints: sections.get('tracepoints') ?? [],
    kprobes: first('kprobes') === 'yes',
    directCalls: first('direct') === '' ? null : first('direct') === 'y',
    ftraceOff: first('ftrace') === '0',
    types: NO_TYPES,
    filesystems: FILESYSTEMS,
  };
}

/** `grep:/sys/...:Operationnotpermitted` (blanks were squeezed) in words. */
function reason(complaint: string): string {
  if (/notpermitted/i.test(complaint)) {
    return 'the kernel refuses to list its functions (Operation not permitted: locked down)';
  }
  if (/nosuchdevice/i.test(complaint)) {
    return 'the kernel gave its function tracer up after an error in it (dmesg: ftrace); a reboot brings it back';
  }
  if (/nosuchfile/i.test(complaint))
    return 'this kernel has no function tracer (CONFIG_DYNAMIC_FTRACE)';
  return complaint;
}
