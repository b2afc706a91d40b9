/** What two reports say of the same things: callbacks, contract, plan, leaks, pools. */
import type {
  CallbackChange,
  LeakChange,
  PlanChange,
  PoolChange,
  RuleChange,
} from '../../protocol/compare.ts';
import { LEAK_KINDS } from '../../protocol/leaks.ts';
import type { Report } from '../../protocol/report.ts';
import { isObserved, STAGES, type Stage } from '../../protocol/stages.ts';
import { epochsOf, type HostName, type Run } from './run.ts';

const POINTERS = ['drop_inode', 'evict_inode', 'destroy_inode', 'free_inode'] as const;
type Table = CallbackChange['a'][number];

/** By host and filesystem: device numbers are given out anew at each boot. */
export function callbackChanges(a: Run, b: Run, nameOf: HostName): CallbackChange[] {
  const [inA, inB] = [a, b].map((run) => callbacksBy(run.report, nameOf)) as [
    ReturnType<typeof callbacksBy>,
    ReturnType<typeof callbacksBy>,
  ];
  return [...new Set([...inA.keys(), ...inB.keys()])].sort().map((key) => {
    const [host, fs] = key.split(' ') as [string, string];
    const none = { tables: [], contradicted: 0 };
    const [ofA, ofB] = [inA.get(key) ?? none, inB.get(key) ?? none];
    const pointers = POINTERS.filter((pointer) => !samePointer(ofA.tables, ofB.tables, pointer));
    const named = [...ofA.tables, ...ofB.tables].every((table) =>
      POINTERS.every((pointer) => !isAddress(table[pointer])),
    );
    const comparable = ofA.tables.length > 0 && ofB.tables.length > 0 && named;
    return {
      host,
      fs,
      result: !comparable ? 'unknown' : pointers.length > 0 ? 'changed' : 'none',
      a: ofA.tables,
      b: ofB.tables,
      contradicted_a: ofA.contradicted,
      contradicted_b: ofB.contradicted,
      pointers: comparable ? pointers : [],
    };
  });
}

function callbacksBy(
  report: Report,
  nameOf: HostName,
): Map<string, { tables: Table[]; contradicted: number }> {
  const by = new Map<string, { tables: Table[]; contradicted: number }>();
  for (const row of report.callbacks) {
    const key = `${nameOf(row.host)} ${row.fs}`;
    const { tables, contradicted } = by.get(key) ?? { tables: [], contradicted: 0 };
    const table = Object.fromEntries(POINTERS.map((name) => [name, row[name]])) as Table;
    const known = tables.some((other) => POINTERS.every((name) => other[name] === table[name]));
    by.set(key, {
      tables: known ? tables : [...tables, table],
      contradicted: contradicted + row.contradicted,
    });
  }
  return by;
}

function samePointer(a: readonly Table[], b: readonly Table[], name: keyof Table): boolean {
  const values = (tables: readonly Table[]) =>
    [...new Set(tables.map((table) => table[name]))].sort().join(' ');
  return values(a) === values(b);
}

/** A function that had no name is printed as its address, which each boot moves. */
function isAddress(symbol: string): boolean {
  return /^(0x)?[0-9a-f]{12,16}$/.test(symbol);
}

/** Rules in their order. */
export function ruleChanges(a: Report, b: Report): RuleChange[] {
  return b.contract.flatMap((ofB) => {
    const ofA = a.contract.find(({ rule }) => rule === ofB.rule);
    if (ofA === undefined) return [];
    const result = ruleResult(ofA, ofB);
    const said = (report: Report) =>
      report.findings.find(({ rule }) => rule === ofB.rule)?.sentence;
    return [
      {
        rule: ofB.rule,
        name: ofB.name,
        result,
        a: countsOf(ofA),
        b: countsOf(ofB),
        example: said(b) ?? said(a) ?? '',
      },
    ];
  });
}

type RuleCounts = Report['contract'][number];

function ruleResult(a: RuleCounts, b: RuleCounts): RuleChange['result'] {
  if (a.not_checkable === undefined && b.not_checkable !== undefined) return 'no longer checkable';
  if (a.not_checkable !== undefined && b.not_checkable === undefined && b.broken === 0) {
    return 'newly checkable';
  }
  if (b.broken > 0) {
    if (a.broken > 0) return 'still broken';
    return a.checked > 0 ? 'newly broken' : 'broken, not checked in A';
  }
  // what was not checked again is not mended
  if (a.broken > 0) return b.checked > 0 ? 'no longer broken' : 'no longer checkable';
  if (b.suspected > 0) return a.suspected > 0 ? 'still suspected' : 'newly suspected';
  return a.suspected > 0 && b.checked > 0 ? 'no longer suspected' : 'none';
}

function countsOf({ checked, broken, suspected, not_checkable }: RuleCounts): RuleChange['a'] {
  const why = not_checkable === undefined ? {} : { not_checkable };
  return { checked, broken, suspected, ...why };
}

/** Stages that the runs observe in different ways, or that one does not observe. */
export function planChanges(a: Run, b: Run, nameOf: HostName): PlanChange[] {
  const hosts = [...new Set(a.epochs.map(({ info }) => nameOf(info.host)))];
  return hosts.flatMap((host) => {
    const [inA, inB] = [epochsOf(a, nameOf, host), epochsOf(b, nameOf, host)];
    if (inA.length === 0 || inB.length === 0) return [];
    return STAGES.flatMap((stage): PlanChange[] => {
      const [ofA, ofB] = [probeOf(inA, stage), probeOf(inB, stage)];
      if (ofA.probe === ofB.probe) return [];
      return [{ host, stage, a: ofA.probe, b: ofB.probe, missing: ofA.missing || ofB.missing }];
    });
  });
}

/** Observed only when every epoch does. */
function probeOf(
  epochs: readonly Run['epochs'][number][],
  stage: Stage,
): { probe: string | null; missing: string } {
  const probes = new Set<string>();
  for (const { info } of epochs) {
    const entry = info.plan[stage];
    if (!isObserved(entry)) return { probe: null, missing: entry.missing };
    probes.add(entry.probe);
  }
  return { probe: [...probes].sort().join('; '), missing: '' };
}

/** Kinds of which at least one run has a leak. `samePlan`: both could see the same. */
export function leakChanges(a: Report, b: Report, samePlan: boolean): LeakChange[] {
  return LEAK_KINDS.flatMap((kind): LeakChange[] => {
    const of = (report: Report) =>
      report.leaks.filter((leak) => leak.kind === kind && leak.state !== 'refuted');
    const [inA, inB] = [of(a), of(b)];
    if (inA.length === 0 && inB.length === 0) return [];
    const result = inA.length === 0 ? 'new' : inB.length === 0 ? 'vanished' : 'none';
    const told = inB.length > 0 ? inB : inA;
    const best = told.find((leak) => leak.verdict === 'certain') ?? told[0]!;
    // a run that does not see as much has no leaks for that reason alone
    const verdict = samePlan ? best.verdict : 'suspected';
    return [{ kind, result, verdict, a: leaksIn(inA), b: leaksIn(inB), example: best.text }];
  });
}

function leaksIn(leaks: Report['leaks']): LeakChange['a'] {
  const firing = leaks.filter(({ state }) => state === 'firing');
  return {
    certain: leaks.filter(({ verdict }) => verdict === 'certain').length,
    suspected: leaks.filter(({ verdict }) => verdict === 'suspected').length,
    resolved: leaks.length - firing.length,
    pages: firing.reduce((sum, { pages }) => sum + pages, 0),
  };
}

/** Whole hosts alone; how a run ends is shown, and not judged: it may end at any moment. */
export function poolChanges(a: Report, b: Report, nameOf: HostName): PoolChange[] {
  const by = (report: Report) =>
    new Map(
      report.pools
        .filter(({ node, total, surplus }) => node === -1 && total + surplus > 0)
        .map((pool) => [`${nameOf(pool.host)} ${pool.size_kb}`, pool] as const),
    );
  const [inA, inB] = [by(a), by(b)];
  return [...new Set([...inA.keys(), ...inB.keys()])].sort().map((key) => {
    const [host, size] = key.split(' ') as [string, string];
    return { host, size_kb: Number(size), a: poolOf(inA.get(key)), b: poolOf(inB.get(key)) };
  });
}

function poolOf(pool: Report['pools'][number] | undefined): PoolChange['a'] {
  if (pool === undefined) return null;
  const { total, free, reserved, surplus } = pool;
  return { total, free, reserved, surplus };
}
