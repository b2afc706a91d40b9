/**
 * What the model says of a scenario, in the words of its expected outcome; and the
 * expected outcome as far as a plan lets anybody see it.
 */
import type { Incarnation } from '../../server/model/incarnation.ts';
import type { OpenLeak } from '../../server/model/leaks/leaks.ts';
import type { Model } from '../../server/model/model.ts';
import type { TraceEvent } from '../../server/protocol/events.ts';
import { INODE_STAGES, isObserved, type Plan, type Stage } from '../../server/protocol/stages.ts';
import { formatDev, type SbDev } from '../../server/protocol/units.ts';
import type { Detail } from '../../server/tracer/plan.ts';
import {
  type Expected,
  LINES_OF_NO_INODE,
  type LineOfNoInode,
  type Taken,
} from '../scenarios/expected.ts';

/** Lines of an inode that are part of its path beside its stages; each is a stage of the plan. */
const IN_PATH = [
  'alloc_inode',
  'reserve',
  'unreserve',
  'resv_map_release',
  'remove_hugepages',
  'hugepage_add',
  'hugepage_remove',
  'hugepage_free',
  'vm_close',
  'gmem_fallocate',
  'gmem_release',
] as const satisfies readonly Stage[];

/** With --detail lifecycle these are told only when they say something. */
const IN_STEPS: readonly string[] = [
  'reserve',
  'unreserve',
  'remove_hugepages',
  'resv_map_release',
];

/** Whether a word of a path is told. */
function isTold(word: string, plan: Plan, detail: Detail): boolean {
  if (detail === 'lifecycle' && IN_STEPS.includes(word)) return false;
  return isObserved(plan[word as Stage]);
}

/** A comparable account: everything is a string or a number. Null: nobody can see it there. */
export interface Account {
  readonly inodes: readonly {
    readonly fs: string;
    /** `major:minor ino` where a step of the scenario told it, else empty. */
    readonly identity: string;
    readonly state: string;
    readonly pages: number | null;
    readonly freedInEvict: number | null;
    readonly outlived: number | null;
    readonly toBuddy: number | null;
    readonly path: string;
  }[];
  readonly hugepages: {
    readonly allocated: number | null;
    readonly freed: number | null;
    readonly attributed: number | null;
    readonly outstanding: number | null;
  };
  /** `KIND STATE pages N of IDENTITY: HOW`; the first suspect only where it is one of its tasks. */
  readonly leaks: readonly string[];
  readonly lines: Readonly<Partial<Record<LineOfNoInode, number>>>;
}

/** The model's counters when the scenario began. */
export interface Before {
  readonly ts: number;
  readonly allocated: number;
  readonly freed: number;
  readonly attributed: number;
}

export function before(model: Model): Before {
  const { allocated, freed, attributed } = model.hugepages;
  return { ts: model.now, allocated, freed, attributed };
}

/**
 * @param pid of the scenario
 * @param others the events of no inode, which the model does not keep
 * @param known `major:minor ino` of the inodes that the scenario told
 * @param own see Scenario
 */
export function observed(
  model: Model,
  began: Before,
  pid: number,
  others: readonly TraceEvent[],
  known: ReadonlySet<string>,
  own: (inode: Taken) => boolean = () => true,
  detail: Detail = 'auto',
): Account {
  const inodes = [...model.inodes.all()]
    .filter((i) => i.pid === pid && !i.canary && begin(i) >= began.ts && i.state !== 'open')
    .filter((i) => own(i))
    .sort((a, b) => begin(a) - begin(b));
  const sees = seer(model.plan);
  const lines: Partial<Record<LineOfNoInode, number>> = {};
  for (const kind of LINES_OF_NO_INODE.filter(sees)) {
    lines[kind] = others.filter((e) => e.kind === kind && e.pid === pid && e.ts >= began.ts).length;
  }
  const when = (seen: boolean, count: number) => (seen ? count : null);
  const { allocated, freed, attributed, outstanding } = model.hugepages;
  const free = sees('hugepage_free');
  return {
    inodes: inodes.map((inode) => {
      const identity = `${formatDev(inode.dev as SbDev)} ${inode.ino}`;
      return {
        fs: inode.fs,
        identity: known.has(identity) ? identity : '',
        state: inode.state,
        pages: when(sees('hugepage_add'), inode.pages),
        freedInEvict: when(free, inode.hugepages.filter((p) => isInEvict(inode, p.freedAt)).length),
        outlived: when(free, inode.hugepages.filter((p) => isAfter(inode, p.freedAt)).length),
        toBuddy: when(
          free && sees('hugepage_to_buddy'),
          inode.hugepages.filter((p) => p.fate === 'buddy').length,
        ),
        path: pathOf(inode, detail),
      };
    }),
    hugepages: {
      allocated: when(sees('hugepage_alloc'), allocated - began.allocated),
      freed: when(free, freed - began.freed),
      attributed: when(free, attributed - began.attributed),
      outstanding: when(free, outstanding),
    },
    leaks: [...model.leaks.all()]
      .filter(({ fired }) => fired >= began.ts)
      .reverse()
      .map((leak) => leakText(leak, pid)),
    lines,
  };
}

function leakText(leak: OpenLeak, pid: number): string {
  const { kind, state, pages, inode, suspects } = leak;
  const identity = inode === null ? '' : ` of ${formatDev(inode.dev as SbDev)} ${inode.ino}`;
  const first = suspects[0];
  const how = first === undefined ? '' : `: ${first.pid === pid ? first.how : 'another task'}`;
  return `${kind} ${state} pages ${pages}${identity}${how}`;
}

/** @param identities by step: `major:minor ino` */
export function asSeen(
  expected: Expected,
  plan: Plan,
  identities: ReadonlyMap<string, string>,
  detail: Detail = 'auto',
): Account {
  const sees = seer(plan);
  const when = (seen: boolean, count: number) => (seen ? count : null);
  const free = sees('hugepage_free');
  const lines: Partial<Record<LineOfNoInode, number>> = {};
  for (const kind of LINES_OF_NO_INODE.filter(sees)) lines[kind] = expected.lines[kind] ?? 0;
  return {
    inodes: expected.inodes.map((inode) => ({
      fs: inode.fs,
      identity: inode.step === undefined ? '' : (identities.get(inode.step) ?? 'not told'),
      state: 'ended',
      pages: when(sees('hugepage_add'), inode.pages),
      freedInEvict: when(free, inode.freedInEvict),
      outlived: when(free, inode.outlived),
      toBuddy: when(free && sees('hugepage_to_buddy'), inode.toBuddy),
      path: runs(words(inode.path).filter((word) => isTold(word, plan, detail))),
    })),
    hugepages: {
      allocated: when(sees('hugepage_alloc'), expected.hugepages.allocated),
      freed: when(free, expected.hugepages.freed),
      attributed: when(free, expected.hugepages.attributed),
      outstanding: when(free, 0),
    },
    leaks: (expected.leaks ?? [])
      .filter((leak) => leak.needs.every(sees))
      .map((leak) => {
        const identity = leak.step === undefined ? '' : ` of ${identities.get(leak.step)}`;
        const how = leak.needsForSuspect.every(sees) ? `: ${leak.how}` : '';
        return `${leak.kind} ${leak.state} pages ${leak.pages}${identity}${how}`;
      }),
    lines,
  };
}

function seer(plan: Plan): (stage: Stage) => boolean {
  return (stage) => isObserved(plan[stage]);
}

function begin(inode: Incarnation): number {
  return inode.at('evict') ?? inode.at('evict_inode') ?? inode.first;
}

function isInEvict(inode: Incarnation, freedAt: number): boolean {
  return freedAt >= begin(inode) && !isAfter(inode, freedAt);
}

function isAfter(inode: Incarnation, freedAt: number): boolean {
  return freedAt > (inode.at('evict_end') ?? inode.at('free_inode') ?? Number.POSITIVE_INFINITY);
}

function pathOf(inode: Incarnation, detail: Detail): string {
  const stages = INODE_STAGES.flatMap((what) => {
    const ts = inode.at(what);
    return ts === null ? [] : [{ what: what as string, ts }];
  });
  const rest = inode.evidence
    .filter(
      ({ kind }) =>
        (IN_PATH as readonly string[]).includes(kind) &&
        !(detail === 'lifecycle' && IN_STEPS.includes(kind)),
    )
    .map((event) => ({ what: event.kind as string, ts: event.ts }));
  return runs([...stages, ...rest].sort((a, b) => a.ts - b.ts).map(({ what }) => what));
}

/** `a b*2` as `a b b`. */
function words(path: string): string[] {
  return path.split(' ').flatMap((word) => {
    const [what, count] = word.split('*') as [string, string?];
    return new Array<string>(Number(count ?? 1)).fill(what);
  });
}

/** `a b b` as `a b*2`. */
function runs(list: readonly string[]): string {
  const out: { what: string; count: number }[] = [];
  for (const what of list) {
    const last = out.at(-1);
    if (last?.what === what) last.count++;
    else out.push({ what, count: 1 });
  }
  return out.map(({ what, count }) => (count === 1 ? what : `${what}*${count}`)).join(' ');
}
