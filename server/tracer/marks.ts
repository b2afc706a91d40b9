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
  if (markedMagics(plan, facts).length === 0) return out;
  const key = '[(uint64)args->inode]';
  // one without a mark has no i_callback() here: that is a loss, and has to be known as one
  const mark = `@mine${key} = 1;\n\tif (@mine${key} == 0) { @full = count(); }`;
  const predicate = '/@rcu[args->inode->i_sb->s_magic]/\n';
  for (const where of whereToMark(plan)) {
    const body =
      plan.detail === 'steps' ? `\t${mark}\n` : `\tif (@evict${key}.0 == 0) {\n\t${mark}\n\t}\n`;
    out.push({ ...where, line: 'i_callback', lifecycle: false, predicate, body });
  }
  return out;
}

/**
 * destroy_inode() arms the callback, also of an inode that never came to evict() since another
 * task had made the same one (iget_locked()). evict() is for a callback that comes too early; where
 * a line at the end is told, it keeps the inode.
 */
function whereToMark({ probes, detail }: TracePlan): ProbeBlock[] {
  const enters = ({ attach }: ProbeBlock) => /^(kfunc|kprobe):/.test(attach);
  const targets = detail === 'steps' ? ['evict', 'destroy_inode'] : ['destroy_inode'];
  return targets.flatMap((target) => {
    const found = probes.find((probe) => probe.target === target && enters(probe));
    return found === undefined ? [] : [found];
  });
}

/**
 * Superblocks whose inodes are marked, by their magic: s_op->free_inode is NULL, as with many
 * others, or in a module, whose addresses kaddr() does not know. Of inodes of which a line at the end
 * tells, those that evict() has not kept.
 */
export function markedMagics(plan: TracePlan, { filesystems, moduleOf }: HostFacts): number[] {
  if (!plan.probes.some(({ target }) => target === 'i_callback')) return [];
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
  const maps = markedMagics(plan, facts).length > 0 ? ['@mine'] : [];
  if (gmem && !probe.lifecycle) maps.unshift('@gmem');
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
  if (probe.target === 'i_callback') {
    if (gmem && probe.lifecycle) body += '\tif (@gmem[$k]) { delete(@gmem[$k]); }\n';
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
