/** `lastref compare A B --page`: the comparison in the browser, until SIGINT. */
import type { Comparison } from '../protocol/compare.ts';
import type { Source } from '../web/source.ts';
import { announce, endServing, serve } from './serve.ts';
import type { WebSettings } from './web-options.ts';

/** Resolves when it was told to end. Throws CliError when it cannot listen. */
export async function showComparison(comparison: Comparison, settings: WebSettings): Promise<void> {
  const web = await serve(settings, comparisonSource(comparison));
  announce(web, settings, process.stderr, '#/compare');
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  await endServing(web);
}

/** What the page shows of it. */
export function comparisonSource(comparison: Comparison): Source {
  const now = Date.now();
  return {
    mode: 'compare',
    banner: 'Two recordings are compared; nothing here is live.',
    workload: null,
    comparison,
    now: () => now,
    hosts: () => [],
    pipelines: () => [],
  };
}
