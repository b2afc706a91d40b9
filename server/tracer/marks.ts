/**
 * Inodes that a program has to know again where nothing else tells whose they are: i_callback()
 * may not look at the superblock any more, and has only the free_inode that it is about to call.
 */
import type { HostFacts } from './facts.ts';
import { freesItself } from './filesystems.ts';
import type { TracePlan } from './plan.ts';
import type { ProbeBlock } from './programs.ts';

/** Programs of the track of RCU that mark: it does not see the marks of the other one. */
export function marks(plan: TracePlan, facts: HostFacts): ProbeBlock[] {
  const out: ProbeBlock[] = [];
  if (marksGmem(plan, facts)) {
    const release = plan.probes.find(isGmemRelease)!;
    out.push({ ...release, predicate: '', body: '\t@gmem[(uint64)args->inode] = 1;\n' });
  }
  if (markedMagics(plan, facts).length > 0) {
    const evict = plan.probes.find(isEvict)!;
    // one without a mark has no i_callback() here: that is a loss, and has to be known as one
    const body =
      '\t@mine[(uint64)args->inode] = 1;\n' +
      '\tif (@mine[(uint64)args->inode] == 0) { @full = count(); }\n';
    const predicate = '/@rcu[args->inode->i_sb->s_magic]/\n';
    out.push({ ...evict, line: 'i_callback', predicate, body });
  }
  return out;
}

/**
 * Superblocks whose inodes are marked by evict(), by their magic: s_op->free_inode is NULL, as with
 * many others, or in a module, whose addresses kaddr() does not know. Where a line at the end is
 * told, evict() has kept the inode.
 */
export function markedMagics(plan: TracePlan, { filesystems, moduleOf }: HostFacts): number[] {
  const wanted = plan.probes.some(({ line, lifecycle }) => line === 'i_callback' && !lifecycle);
  if (plan.detail !== 'steps' || !wanted || !plan.probes.some(isEvict)) return [];
  const marked = plan.fs
    .filter((name) => name !== 'guest_memfd')
    .map((name) => filesystems[name]!)
    .filter(({ ops }) => ops.free_inode === undefined || moduleOf[ops.free_inode] !== undefined)
    .filter((fs) => !freesItself(fs));
  return [...new Set(marked.map(({ magic }) => magic))];
}

/** The probe, looking at the marks. */
export function withMarks(
  probe: ProbeBlock,
  plan: TracePlan,
  facts: HostFacts,
): { predicate: string; body: string } {
  const gmem = marksGmem(plan, facts);
  const maps = [
    ...(gmem ? ['@gmem'] : []),
    ...(markedMagics(plan, facts).length > 0 ? ['@mine'] : []),
  ];
  let { predicate, body } = probe;
  if (gmem) {
    predicate = predicate.replace(
      /@fs\[((?:args->\w+)(?:->host)?)->i_sb->s_magic\]/,
      (whole, inode) => `(${whole} || @gmem[(uint64)${inode}])`,
    );
  }
  if (gmem && probe.line === 'evict_end' && !probe.lifecycle) {
    body += '\tif (@gmem[(uint64)args->inode]) { delete(@gmem[(uint64)args->inode]); }\n';
  }
  if (probe.target === 'i_callback' && probe.lifecycle) {
    if (gmem) body += '\tif (@gmem[$k]) { delete(@gmem[$k]); }\n';
  } else if (probe.target === 'i_callback') {
    const marked = maps.map((map) => ` || ${map}[(uint64)$i]`).join('');
    const forget = maps.map(
      (map) => `\n\t\tif (${map}[(uint64)$i]) { delete(${map}[(uint64)$i]); }`,
    );
    body = body.replace(
      'if (@free_inode[(uint64)$i->free_inode]) {',
      `if (@free_inode[(uint64)$i->free_inode]${marked}) {${forget.join('')}`,
    );
  }
  return { predicate, body };
}

/**
 * Up to 6.18 a guest_memfd is an inode of anon_inodefs among many: kvm_gmem_release()
 * marks it, and the probes of its end take the marked ones. Later its i_callback()
 * cannot be told by the address of kvm_gmem_free_inode(), which is in a module.
 */
function marksGmem(plan: TracePlan, facts: HostFacts): boolean {
  return (
    plan.fs.includes('guest_memfd') &&
    plan.probes.some(isGmemRelease) &&
    (plan.detail === 'steps' || !facts.symbols.includes('kvm_gmem_free_inode'))
  );
}

function isGmemRelease(probe: ProbeBlock): boolean {
  return probe.line === 'gmem_release';
}

/** The program that prints it, in whose place the other track marks. */
function isEvict({ line, lifecycle, family }: ProbeBlock): boolean {
  return line === 'evict' && !lifecycle && family !== 'tracepoint';
}
