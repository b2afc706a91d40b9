/** `lastref compare A B --page`: the comparison in the browser, until SIGINT. */
import type { Comparison } from '../protocol/compare.ts';
import { startWeb, type Web } from '../web/server.ts';
import type { Source } from '../web/source.ts';
import { CliError, EXIT } from './exit.ts';

/** Resolves when it was told to end. Throws CliError when the port cannot be had. */
export async function showComparison(comparison: Comparison, port: number): Promise<void> {
  const now = Date.now();
  const source: Source = {
    mode: 'compare',
    banner: 'Two recordings are compared; nothing here is live.',
    workload: null,
    comparison,
    now: () => now,
    hosts: () => [],
    pipelines: () => [],
  };
  const web = await listen(source, port);
  process.stderr.write(`lastref: ${web.link}#/compare\n`);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  await web.close();
}

async function listen(source: Source, port: number): Promise<Web> {
  try {
    return await startWeb({ source, port });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new CliError(
      EXIT.usage,
      `port ${port} is in use, perhaps by another lastref.\nTake another one: --port ${port + 1}   (0: any free one)`,
    );
  }
}
