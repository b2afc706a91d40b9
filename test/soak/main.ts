/**
 * A soak: everything at once, for as long as one likes, and an exact account at its end.
 * Started by scripts/soak; what it does and found is in docs/reliability.md.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { SessionAlert } from '../../server/protocol/alerts.ts';
import type { HostState } from '../../server/protocol/hosts.ts';
import { openRecording } from '../../server/recording/open.ts';
import { type Mood, Receiver } from '../fixtures/sinks.ts';
import { agentPids, bpftracePids, eventually, RunningServer } from '../support/cli.ts';
import { Guest } from '../support/guest.ts';
import { Random } from '../support/random.ts';
import { churnGuest, churnHere, faultsHere, pages, pins, type Stage } from './actors.ts';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string', default: String(Date.now() % 1e6) },
    json: { type: 'boolean', default: false },
  },
});
const seconds = Number(options.seconds);
const seed = Number(options.seed);
if (!(seconds >= 60) || !Number.isSafeInteger(seed)) {
  process.stderr.write('usage: ./scripts/soak [--seconds 600 (at least 60)] [--seed N] [--json]\n');
  process.exit(2);
}

/** The part of the time after which the server is killed; memory is judged from there on. */
const KILL_AT = 0.3;
/** What memory may grow by, from the first third of the time after the kill to the last. */
const GROWTH = 1.25;

const began = performance.now();
const say = (text: string) => {
  const at = String(Math.round((performance.now() - began) / 1000)).padStart(5);
  process.stderr.write(`${at} s  ${text}\n`);
};
const random = new Random(seed);
const directory = mkdtempSync(join(tmpdir(), 'lastref-soak-'));
const problems: string[] = [];
const check = (good: boolean, what: string) => {
  if (!good) problems.push(what);
};

say(`seed ${seed}, ${seconds} s`);
const guest = await Guest.up();
const paths = {
  churn: await guest.push('memfd_churn'),
  pages: await guest.push('memfd_pages'),
  pin: await guest.push('pin_pages'),
};
const receiver = await Receiver.start();
const moods: Mood[] = [200, 200, 200, 500, 503, 'hang', 'close', 'half'];
receiver.mood = () => random.pick(moods);
const config = join(directory, 'config.yaml');
writeFileSync(
  config,
  `leak_after: {pinned: 2s}
rules: [{alert: Pinned, kinds: [pinned]}]
sinks: [{name: hook, webhook: '${receiver.url}', timeout: 1s}]
`,
);
let runs = 0;
const recordings: string[] = [];
function start(): Promise<RunningServer> {
  const file = join(directory, `run-${++runs}.lastref`);
  recordings.push(file);
  return RunningServer.ready([
    ...['live', '--host', 'local', '--host', 'vm', '--fs', 'hugetlbfs', '--port', '0', '--no-open'],
    ...['--config', config, '--state', join(directory, 'state'), '--record', file],
  ]);
}

let server = await start();
// also when something else than the soak's end ends it
process.once('exit', () => server.child.kill('SIGKILL'));
say('tracing');
const stopAll = new AbortController();
let tracing = true;
const stage: Stage = {
  random,
  over: stopAll.signal,
  say,
  tracing: () => tracing,
  did: new Map(),
};
const atBegin = { ...openThings(server), report: await server.report() };
let pinning = new AbortController();
let pinned = pins({ ...stage, over: pinning.signal }, guest, paths.pin);
const others = [
  churnHere(stage),
  churnGuest(stage, guest, paths),
  pages(stage, () => server.link),
  faultsHere(stage),
];
const memory: number[] = [];
/** Without the flight recorder, which is bounded and takes ten minutes to be full. */
const watch = setInterval(async () => {
  const resident = residentMb(server);
  const flight = await flightMb(server).catch(() => null);
  if (flight !== null && resident > 0) memory.push(resident - flight);
}, 2000);

// a leak that begins while nobody traces is nobody's to tell: none is pinned over the kill
await sleep(seconds * 1000 * KILL_AT);
pinning.abort();
const pinnedBefore = await pinned;
// the guest may lag: what is not known yet at the kill is nobody's to tell
const known = async () => {
  const alerts = await server.get<SessionAlert[]>('/api/alerts');
  const fired = new Set(alerts.map(({ labels }) => labels.ino));
  return pinnedBefore.every((ino) => fired.has(ino));
};
await eventually(60_000, known, 'an alert of each pinned hugepage').catch((error: Error) =>
  problems.push(error.message),
);
tracing = false;
await server.stop('SIGKILL');
say('the server was killed; another one starts');
server = await start();
tracing = true;
memory.length = 0;
say('tracing again');
pinning = new AbortController();
pinned = pins({ ...stage, over: pinning.signal }, guest, paths.pin);
const left = seconds * 1000 - (performance.now() - began);
await sleep(Math.max(20_000, left));

say('all ends');
pinning.abort();
const inodes = [...pinnedBefore, ...(await pinned)];
stopAll.abort();
await Promise.all(others);
receiver.mood = () => 200;
const settled = async () => {
  const hosts = await server.get<HostState[]>('/api/hosts');
  const { losses, leaks } = await server.report();
  return (
    hosts.every(({ status }) => status === 'ready') &&
    losses.balanced === true &&
    leaks.every(({ state }) => state !== 'firing') &&
    receiver.taken.length >= inodes.length * 2
  );
};
await eventually(180_000, settled, 'an end of everything').catch(async (error: Error) => {
  problems.push(error.message);
  const metrics = await fetch(new URL('/metrics', server.link), {
    headers: { Authorization: `Bearer ${new URL(server.link).searchParams.get('token')}` },
  });
  say(/^lastref_(sink|notif)[^#]*/gm[Symbol.match](await metrics.text())?.join('') ?? '');
});
clearInterval(watch);
const report = await server.report();
const atEnd = openThings(server);
say('the account');

check(report.losses.balanced === true, `the ledger's balance is ${report.losses.balanced}`);
check(report.events.rejected === 0, `${report.events.rejected} lines were rejected`);
const certain = report.findings.filter(({ verdict }) => verdict === 'certain');
check(certain.length === 0, `${certain.length} certain findings: ${certain[0]?.sentence ?? ''}`);
const wrong = report.leaks.filter(
  (l) => l.kind !== 'pinned' && l.verdict === 'certain' && l.state !== 'refuted',
);
check(wrong.length === 0, `certain leaks that were none: ${wrong.map((l) => l.text).join('; ')}`);
const third = Math.max(1, Math.floor(memory.length / 3));
const [first, last] = [median(memory.slice(0, third)), median(memory.slice(-third))];
check(last <= first * GROWTH, `memory grew from ${first} to ${last} MB`);
check(atEnd.files <= atBegin.files + 4, `descriptors: ${atBegin.files}, then ${atEnd.files}`);
const told = alertsTold();
check(told.twice === 0, `${told.twice} notifications were taken twice`);
const { untold } = told;
check(
  untold.firing.length === 0 && told.firing === inodes.length,
  `${told.firing} of ${inodes.length} pinned hugepages were told, not: ${untold.firing.join(', ')}`,
);
check(
  untold.resolved.length === 0 && told.resolved === inodes.length,
  `${told.resolved} of ${inodes.length} ends were told, not: ${untold.resolved.join(', ')}`,
);
for (const file of recordings) {
  const recording = openRecording(file);
  let frames = 0;
  for (const _ of recording.frames()) frames++;
  check(recording.damage === null && frames > 0, `${file}: ${recording.damage}`);
  recording.close();
}

check((await server.stop()) === 0, 'the server did not end with 0');
const gone = async () =>
  bpftracePids().length === 0 &&
  agentPids().length === 0 &&
  (await guest.host.run('pgrep -x bpftrace')).code === 1;
await eventually(30_000, gone, 'the end of every bpftrace').catch((error: Error) =>
  problems.push(error.message),
);
await receiver.stop();
rmSync(directory, { recursive: true });

const result = {
  seconds,
  seed,
  did: Object.fromEntries(stage.did),
  events: report.events,
  losses: report.losses,
  gaps: report.gaps.length,
  inodes: report.inodes.by_fs,
  alerts: { hugepages_pinned: inodes.length, ...told, refused_by_the_sink: refused() },
  memory_mb: { first_third: first, last_third: last, samples: memory.length },
  descriptors: { begin: atBegin.files, end: atEnd.files },
  problems,
};
process.stdout.write(
  options.json ? `${JSON.stringify(result)}\n` : `${JSON.stringify(result, null, 2)}\n`,
);
process.exit(problems.length === 0 ? 0 : 1);

async function flightMb(of: RunningServer): Promise<number> {
  const { origin, searchParams } = new URL(of.link);
  const answer = await fetch(`${origin}/metrics`, {
    headers: { Authorization: `Bearer ${searchParams.get('token')}` },
  });
  const bytes = /^lastref_flight_bytes (\d+)$/m.exec(await answer.text());
  return Math.round(Number(bytes![1]) / 1024 / 1024);
}

function residentMb(of: RunningServer): number {
  try {
    const status = readFileSync(`/proc/${of.child.pid}/status`, 'utf8');
    return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)![1]) / 1024);
  } catch {
    return 0; // it was killed
  }
}

function openThings(of: RunningServer): { files: number } {
  return { files: readdirSync(`/proc/${of.child.pid}/fd`).length };
}

/** By what the webhook took: each alert is told once that it fires and once that it is over. */
function alertsTold() {
  const { taken } = receiver;
  const ours = receiver.received
    .filter(({ mood }) => mood === 200)
    .map(({ notification }) => notification);
  const of = (wanted: 'firing' | 'resolved') =>
    ours
      .filter(({ status, labels }) => status === wanted && inodes.includes(String(labels.ino)))
      .map(({ labels }) => String(labels.ino));
  const [firing, resolved] = [of('firing'), of('resolved')];
  const without = (told: readonly string[]) =>
    inodes
      .map((ino, i) => (told.includes(ino) ? '' : `${ino} (pin ${i + 1})`))
      .filter((text) => text !== '');
  return {
    firing: firing.length,
    resolved: resolved.length,
    twice: taken.length - new Set(taken).size,
    before_the_kill: pinnedBefore.length,
    untold: { firing: without(firing), resolved: without(resolved) },
  };
}

function refused(): number {
  return receiver.received.filter(({ mood }) => mood !== 200).length;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
