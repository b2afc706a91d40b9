/** `lastref doctor`: which stages can be seen on a host, how, and why not. */
import { selectHost } from '../host/select.ts';
import { isObserved, type Plan, STAGE_TEXT, STAGES } from '../protocol/stages.ts';
import { prepare } from '../tracer/prepare.ts';
import { EXIT } from './exit.ts';
import { type TraceFlags, traceOptions } from './trace-options.ts';

export async function doctor(
  options: TraceFlags & { host: string; json: boolean },
): Promise<number> {
  const host = selectHost(options.host);
  try {
    await host.open((text) => process.stderr.write(`lastref: ${text}\n`));
    const prepared = await prepare(host, traceOptions(options));
    const { facts } = prepared;
    const { plan, probes } = prepared.plan();
    if (options.json) {
      const { traceable, symbols, tracepoints, types, moduleOf, filesystems, ...rest } = facts;
      process.stdout.write(`${JSON.stringify({ host: host.name, ...rest, plan }, null, 2)}\n`);
    } else {
      process.stdout.write(
        `${host.name}: Linux ${facts.kernel} ${facts.machine}, ${facts.cpus} CPUs, ` +
          `bpftrace ${facts.bpftrace || 'not installed'}, BTF ${facts.btf ? 'yes' : 'no'}\n` +
          `boot ${facts.bootId}\n\n${planText(plan)}\n`,
      );
    }
    return probes.length === 0 ? EXIT.tracing : EXIT.good;
  } finally {
    await host.close();
  }
}

const WIDTH = Math.max(...STAGES.map((stage) => stage.length));

/** One stage a line; reasons that many stages share are told once, below. */
export function planText(plan: Plan): string {
  const lines: string[] = [];
  const reasons: { text: string; help: string | undefined }[] = [];
  for (const stage of STAGES) {
    const entry = plan[stage];
    if (isObserved(entry)) {
      const note = entry.note === undefined ? '' : `  (${entry.note})`;
      lines.push(`  yes  ${stage.padEnd(WIDTH)} ${entry.probe}${note}`);
      continue;
    }
    // the function belongs to the stage, the reason may be that of many
    const [, target = '', reason] = /^(\w+\(\) )?(.*)$/s.exec(entry.missing)!;
    const text = target === '' ? reason! : `it ${reason}`;
    let known = reasons.findIndex((r) => r.text === text && r.help === entry.help);
    if (known < 0) known = reasons.push({ text, help: entry.help }) - 1;
    lines.push(`  NO   ${stage.padEnd(WIDTH)} [${known + 1}] ${target}`.trimEnd());
  }
  reasons.forEach(({ text, help }, i) => {
    lines.push('', `  [${i + 1}] ${text}`);
    if (help !== undefined) lines.push(`      ${help}`);
  });
  const missing = STAGES.filter((stage) => !isObserved(plan[stage]));
  if (missing.length > 0) {
    lines.push('', 'What is not seen there:');
    for (const stage of missing) lines.push(`  ${stage.padEnd(WIDTH)} ${STAGE_TEXT[stage]}`);
  }
  return lines.join('\n');
}
