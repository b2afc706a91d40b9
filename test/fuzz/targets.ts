/** The targets by name. Each is loaded only when it is asked for. */
import type { Target } from './target.ts';

const MAKE = {
  decoder: async () => new (await import('./decoder.ts')).DecoderTarget(),
  agent: async () => new (await import('./agent.ts')).AgentTarget(),
  recording: async () => new (await import('./recording.ts')).RecordingTarget(),
  ws: async () => new (await import('./ws.ts')).WsTarget(),
  filter: async () => new (await import('./filter.ts')).FilterTarget(),
  config: async () => new (await import('./config.ts')).ConfigTarget(),
} as const satisfies Record<string, () => Promise<Target>>;

export type TargetName = keyof typeof MAKE;
export const TARGETS = Object.keys(MAKE) as TargetName[];

export function isTarget(name: string): name is TargetName {
  return Object.hasOwn(MAKE, name);
}

export function makeTarget(name: TargetName): Promise<Target> {
  return MAKE[name]();
}
