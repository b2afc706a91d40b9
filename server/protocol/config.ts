/**
 * The config file: which leaks raise an alert, after how long, and who is told.
 * YAML; docs/alerts.md describes it, docs/config.example.yaml is one to begin with.
 * The schema turns durations into nanoseconds.
 */
import { z } from 'zod';
import { LEAK_KINDS, type LeakKind } from './leaks.ts';

/** Nanoseconds of each unit of a duration, as Prometheus writes them. */
const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400e9],
  ['h', 3600e9],
  ['m', 60e9],
  ['s', 1e9],
  ['ms', 1e6],
];

/** `90s`, `1h30m`, `500ms`, `0`: nanoseconds; null for what is none. */
export function parseDuration(text: string): number | null {
  if (text === '0') return 0;
  const match = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(text);
  if (match === null || text === '') return null;
  const total = UNITS.reduce((sum, [, ns], i) => sum + Number(match[i + 1] ?? 0) * ns, 0);
  return Number.isSafeInteger(total) ? total : null;
}

const DURATION = 'expected a duration such as 500ms, 2s, 5m or 1h30m';

/** An object without other keys; the error names those that there are. */
function strict<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `there is no ${(issue.keys as string[]).join(', ')} here; there are ${Object.keys(shape).join(', ')}`
        : undefined,
  });
}

const Duration = z
  .union([z.string(), z.number()], { error: DURATION })
  .transform((value, context) => {
    const ns = parseDuration(String(value));
    if (ns !== null) return ns;
    context.addIssue({ code: 'custom', message: DURATION });
    return z.NEVER;
  });

/** What `{{NAME}}` in a label or an annotation stands for. */
export const PLACEHOLDERS = [
  'kind',
  'verdict',
  'host',
  'fs',
  's_dev',
  'ino',
  'inode',
  'pages',
  'hugepages',
  'bytes',
  'size',
  'text',
  'suspect',
  'suspects',
  'lasted',
] as const;
export type Placeholder = (typeof PLACEHOLDERS)[number];
export const PLACEHOLDER = /\{\{\s*([^{}]*?)\s*\}\}/g;

const Template = z
  .union([z.string().max(4000), z.number(), z.boolean()])
  .transform(String)
  .superRefine((text, context) => {
    for (const [, name] of text.matchAll(PLACEHOLDER)) {
      if (PLACEHOLDERS.includes(name as Placeholder)) continue;
      context.addIssue({
        code: 'custom',
        message: `{{${name}}} is not known; known are ${PLACEHOLDERS.join(', ')}`,
      });
    }
  });

/** As Prometheus and Alertmanager demand of a label's name. */
const LabelName = z
  .string()
  .regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, 'a label is made of letters, digits and _');

const Patterns = z.array(z.string().min(1).max(256)).min(1);

/** The labels that an alert has by itself. */
export const OWN_LABELS = [
  'alertname',
  'severity',
  'host',
  'boot_id',
  'kind',
  'fs',
  's_dev',
  'ino',
  'subject',
] as const;

export const AlertRule = strict({
  /** The label `alertname`. */
  alert: LabelName,
  /** All kinds where it is missing. */
  kinds: z
    .array(z.enum(LEAK_KINDS))
    .min(1)
    .default([...LEAK_KINDS]),
  /** `*` in a pattern stands for anything; all hosts and filesystems where missing. */
  hosts: Patterns.default(['*']),
  fs: Patterns.default(['*']),
  min_pages: z.int().min(0).default(0),
  /** suspected: those and the certain ones. */
  verdict: z.enum(['certain', 'suspected']).default('suspected'),
  /** On top of the leak's own threshold. */
  for: Duration.default(0),
  severity: z.string().min(1).max(100).default('warning'),
  labels: z
    .record(LabelName, Template)
    .refine((labels) => !Object.keys(labels).some((l) => OWN_LABELS.includes(l as 'host')), {
      message: `these labels are lastref's own: ${OWN_LABELS.join(', ')}`,
    })
    .default({}),
  annotations: z.record(LabelName, Template).default({}),
});
export type AlertRule = z.infer<typeof AlertRule>;

/** After how long each kind is a leak. Nanoseconds of trace time. */
export type LeakAfter = Readonly<Record<LeakKind, number>>;
export const LEAK_AFTER: LeakAfter = {
  pinned: 2e9,
  held: 60e9,
  reservation: 5e9,
  'pool drift': 30e9,
  // lazy RCU may wait for 10 s without anything being wrong
  stuck: 20e9,
  surplus: 60e9,
};

function rule(alert: string, kind: LeakKind, severity: string, what: string): AlertRule {
  const summary = `{{verdict}}: ${what}`;
  const annotations = { summary, description: '{{text}}', suspects: '{{suspects}}' };
  return AlertRule.parse({ alert, kinds: [kind], severity, annotations });
}

const PAGES = '{{hugepages}} ({{size}})';

/** Without a config file, and where it names no rules. */
export const DEFAULT_RULES: readonly AlertRule[] = [
  rule(
    'HugepagesPinned',
    'pinned',
    'critical',
    `${PAGES} {{inode}} on {{host}} not back in the pool`,
  ),
  rule('ReservationLeaked', 'reservation', 'critical', `${PAGES} on {{host}} reserved for good`),
  rule('PoolDrift', 'pool drift', 'warning', `${PAGES} on {{host}} in use by nobody known`),
  rule(
    'InodeStuck',
    'stuck',
    'warning',
    '{{fs}} inode {{ino}} on {{host}} does not finish its end',
  ),
  rule('SurplusKept', 'surplus', 'warning', `${PAGES} on {{host}} surplus after their last user`),
  // a virtual machine on a hugetlb memfd is one, as long as it runs
  rule('HugepagesHeld', 'held', 'info', `${PAGES} {{inode}} on {{host}} held without a name`),
];

const ConfigSilence = strict({
  match: z
    .record(z.string().min(1), z.union([z.string(), z.number()]).transform(String))
    .refine((match) => Object.keys(match).length > 0, 'at least one label is needed'),
  /** ISO 8601; for ever where missing. */
  until: z
    .union([z.iso.datetime({ offset: true }), z.iso.date()], {
      error: 'expected a time such as 2026-12-24T18:00:00Z or 2026-12-24',
    })
    .optional(),
  reason: z.string().max(1000).default(''),
});

const Url = z
  .url({ protocol: /^https?$/, error: 'expected a URL that begins with http:// or https://' })
  .max(2000);
const Headers = z
  .record(
    z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'not a name of an HTTP header'),
    z
      .string()
      .max(8000)
      .regex(/^[\t\x20-\x7e]*$/, 'only printable ASCII may stand in a header'),
  )
  .default({});

/** Names the directory of its spool, so it should not change. */
const SinkName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,39}$/, 'a name is made of a-z, 0-9, _ and -, at most 40 of them');

const sinkBase = {
  name: SinkName,
  timeout: Duration.default(10e9),
};
const Webhook = strict({ ...sinkBase, webhook: Url, headers: Headers });
const Alertmanager = strict({
  ...sinkBase,
  /** Where it listens, without /api/v2/alerts. */
  alertmanager: Url,
  headers: Headers,
  /** Firing alerts are sent again so often. */
  resend: Duration.default(60e9),
});
const CommandSink = strict({
  ...sinkBase,
  /** The program and its arguments; no shell. */
  command: z.array(z.string()).min(1, 'a program and its arguments'),
});

const SINK_KINDS = ['webhook', 'alertmanager', 'command'] as const;
export type SinkConfig =
  | z.infer<typeof Webhook>
  | z.infer<typeof Alertmanager>
  | z.infer<typeof CommandSink>;

/** By the key that is there, so that an error speaks of the kind that was meant. */
const Sink = z.record(z.string(), z.unknown()).transform((value, context): SinkConfig => {
  const kinds = SINK_KINDS.filter((kind) => kind in value);
  if (kinds.length !== 1) {
    context.addIssue({
      code: 'custom',
      message: `a sink has one of ${SINK_KINDS.join(', ')}; this one has ${kinds.length === 0 ? 'none' : kinds.join(' and ')}`,
    });
    return z.NEVER;
  }
  const schema = { webhook: Webhook, alertmanager: Alertmanager, command: CommandSink }[kinds[0]!];
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  for (const { path, message } of parsed.error.issues) {
    context.addIssue({ code: 'custom', path, message });
  }
  return z.NEVER;
});

export const Config = strict({
  leak_after: strict(
    Object.fromEntries(LEAK_KINDS.map((kind) => [kind, Duration.default(LEAK_AFTER[kind])])) as {
      [kind in LeakKind]: z.ZodDefault<typeof Duration>;
    },
  ).default(LEAK_AFTER),
  rules: z
    .array(AlertRule)
    .max(100)
    .refine(distinct('alert'), { message: 'two rules have the same name (alert)' })
    .default([...DEFAULT_RULES]),
  silences: z.array(ConfigSilence).max(100).default([]),
  sinks: z
    .array(Sink)
    .max(20)
    .refine(distinct('name'), { message: 'two sinks have the same name' })
    .default([]),
  /** Resolved alerts kept in memory, for each epoch. */
  history: z.int().min(0).max(100_000).default(1000),
  /** Firing notifications that may wait for one sink. */
  spool: z.int().min(1).max(100_000).default(1000),
  /** Directory of the spools and silences. */
  state_dir: z
    .string()
    .regex(/^(~?\/)/, 'expected a path from / or ~/')
    .optional(),
  /** The last minutes are kept in memory, and written to a file when such an alert fires. */
  flight: strict({
    minutes: z.int().min(0).max(1440).default(10),
    severities: z.array(z.string()).max(20).default(['critical']),
  }).prefault({}),
  /** Where people reach the page, for links; by default where it listens. */
  page_url: Url.optional(),
});
export type Config = z.infer<typeof Config>;

export const DEFAULT_CONFIG: Config = Config.parse({});

function distinct<K extends string>(key: K): (list: readonly Record<K, string>[]) => boolean {
  return (list) => new Set(list.map((item) => item[key])).size === list.length;
}

/**
 * What a recording keeps of it, so that a replay finds the leaks and alerts that live found:
 * thresholds, rules, size of the history; not who was told.
 */
export const RecordedAlerting = z.object({
  leak_after: z
    .record(z.string(), z.number())
    .transform((given): LeakAfter => ({ ...LEAK_AFTER, ...given })),
  rules: z.array(
    z.object({
      alert: z.string(),
      kinds: z.array(z.enum(LEAK_KINDS)),
      hosts: z.array(z.string()),
      fs: z.array(z.string()),
      min_pages: z.number(),
      verdict: z.enum(['certain', 'suspected']),
      for: z.number(),
      severity: z.string(),
      labels: z.record(z.string(), z.string()),
      annotations: z.record(z.string(), z.string()),
    }),
  ),
  history: z.int().min(0),
});
export type RecordedAlerting = z.infer<typeof RecordedAlerting>;

export function recordedAlerting({ leak_after, rules, history }: Config): RecordedAlerting {
  return { leak_after, rules, history };
}

export const DEFAULT_ALERTING: RecordedAlerting = recordedAlerting(DEFAULT_CONFIG);
