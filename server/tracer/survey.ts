/**
 * Which filesystems are mounted on a host, and the functions in their s_op, as its kernel has
 * them at the moment: what is not in the table of filesystems.ts is asked here.
 */
import { quote, withTracefs } from '../host/agent.ts';
import { type Host, HostError } from '../host/host.ts';
import { FILESYSTEMS, type Filesystem, type Filesystems } from './filesystems.ts';

/**
 * Goes along the list of superblocks (fs/super.c: super_blocks), one with each beat, since loops
 * are not in every bpftrace; s_list is kept the first member of struct super_block.
 */
const PROGRAM = `BEGIN
{
	@at = *(uint64 *)kaddr("super_blocks");
}

interval:ms:2
{
	if (@at == kaddr("super_blocks") || @n > 2000) {
		exit();
	} else {
		$sb = (struct super_block *)@at;
		$op = $sb->s_op;
		printf("sb %llx %s %s %s %s\\n", $sb->s_magic, ksym((uint64)$op->evict_inode),
		    ksym((uint64)$op->destroy_inode), ksym((uint64)$op->free_inode),
		    str($sb->s_type->name, 32));
		@at = *(uint64 *)@at;
		@n++;
	}
}

END { clear(@at); clear(@n); }
`;

/** 2000 superblocks take 4 s, and bpftrace 11 s to begin in an emulated guest. */
const TIMEOUT_MS = 120_000;

/**
 * Those that are `known`, and those of `fs` that are not. What was asked once stays known: it may
 * have been unmounted since, and a tracer that begins again loses no time. Throws HostError when
 * the host has no superblock of such a type, or does not say.
 */
export async function survey(
  host: Host,
  fs: readonly string[],
  bpftrace: string,
  known: Filesystems = FILESYSTEMS,
): Promise<Filesystems> {
  const asked = fs.filter((name) => !Object.hasOwn(known, name));
  if (asked.length === 0) return known;
  const script = withTracefs(`${quote(bpftrace)} -e ${quote(PROGRAM)}`);
  const answer = await host.run(script, { root: true, timeoutMs: TIMEOUT_MS });
  const mounted = parseSurvey(answer.stdout);
  if (Object.keys(mounted).length === 0) {
    throw new HostError(
      host.name,
      `--fs: which functions ${asked.join(', ')} has must be asked of ${host.name}'s kernel, and bpftrace could not:\n${lastWords(answer.stderr)}`,
      `That takes bpftrace, BTF and a kernel that lets its memory be read. Known without asking: ${Object.keys(FILESYSTEMS).join(', ')}`,
    );
  }
  const missing = asked.filter((name) => !Object.hasOwn(mounted, name));
  if (missing.length > 0) {
    throw new HostError(
      host.name,
      `--fs: no filesystem of the type ${missing.join(', ')} is mounted on ${host.name}, so that its functions are not known`,
      `Mount one before lastref starts. Types there: ${Object.keys(mounted).sort().join(', ')}`,
    );
  }
  const found = asked.map((name): [string, Filesystem] => [name, mounted[name]!]);
  return { ...known, ...Object.fromEntries(found) };
}

const LINE = /^sb ([0-9a-f]{1,16}) (\S+) (\S+) (\S+) ([A-Za-z0-9_][A-Za-z0-9_.-]{0,31})$/;
const FUNCTION = /^[A-Za-z_][\w.]{0,127}$/;

/** By type, as the first superblock of it has them. Exported for tests: what the program printed. */
export function parseSurvey(text: string): Filesystems {
  const mounted = new Map<string, Filesystem>();
  for (const line of text.split('\n')) {
    const [, magic, evict, destroy, free, type] = LINE.exec(line) ?? [];
    if (type === undefined || mounted.has(type)) continue;
    mounted.set(type, {
      magic: Number.parseInt(magic!, 16),
      module: 'vmlinux',
      ops: {
        ...operation('evict_inode', evict!),
        ...operation('evict_inode_end', evict!),
        ...operation('destroy_op', destroy!),
        ...operation('free_inode', free!),
      },
    });
  }
  return Object.fromEntries(mounted);
}

/** `0`, a pointer that is NULL, is no operation. */
function operation(stage: string, name: string): Record<string, string> {
  return FUNCTION.test(name) ? { [stage]: name } : {};
}

function lastWords(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return lines.length === 0 ? 'it said nothing' : lines.slice(-3).join('\n');
}
