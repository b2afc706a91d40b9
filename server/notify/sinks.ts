/** From the config file to the sinks. A new kind of sink is a line here and a file beside. */
import type { SinkConfig } from '../protocol/config.ts';
import { alertmanager } from './alertmanager.ts';
import { command } from './command.ts';
import type { Sink } from './sink.ts';
import { webhook } from './webhook.ts';

export function sinkOf(config: SinkConfig): Sink {
  if ('webhook' in config) return webhook(config);
  if ('alertmanager' in config) return alertmanager(config);
  return command(config);
}
