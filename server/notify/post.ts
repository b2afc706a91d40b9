/** One HTTP POST of JSON, and what its answer means for a notification. */
import type { Answer } from './sink.ts';

export interface PostOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** Nanoseconds until the answer's status must be there. */
  readonly timeoutNs: number;
  readonly signal: AbortSignal;
}

/** The body is what is wrong: it will be wrong another time, too. */
const REFUSED = new Set([400, 413, 422]);
const MAX_RETRY_AFTER_MS = 3600e3;

export async function post(options: PostOptions): Promise<Answer> {
  const timeoutMs = options.timeoutNs / 1e6;
  try {
    const response = await fetch(options.url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...options.headers },
      body: JSON.stringify(options.body),
      // the headers may hold a password, which is for this address alone
      redirect: 'manual',
      signal: AbortSignal.any([options.signal, AbortSignal.timeout(timeoutMs)]),
    });
    const { status } = response;
    if (status >= 200 && status < 300) {
      response.body?.cancel().catch(() => {});
      return { kind: 'taken' };
    }
    const why = `HTTP ${status}${await said(response)}`;
    if (REFUSED.has(status)) return { kind: 'refused', why };
    if (status >= 300 && status < 400) {
      const where = response.headers.get('location') ?? 'nowhere';
      return { kind: 'failed', why: `${why}: it leads to ${where}; write that address instead` };
    }
    const retryAfterMs = retryAfter(response.headers.get('retry-after'));
    return retryAfterMs === null ? { kind: 'failed', why } : { kind: 'failed', why, retryAfterMs };
  } catch (error) {
    if ((error as Error).name === 'TimeoutError') {
      return { kind: 'failed', why: `no answer within ${timeoutMs / 1000} s` };
    }
    return { kind: 'failed', why: reason(error as Error) };
  }
}

/** Host and path; neither user and password nor what follows the question mark. */
export function targetOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname === '/' ? '' : pathname}`;
}

/** The beginning of the answer's text. */
async function said(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return '';
  try {
    const { value } = await reader.read();
    const text = Buffer.from(value ?? []).toString('utf8', 0, 200);
    const line = text.split('\n')[0]!.trim();
    return line === '' ? '' : `: ${line}`;
  } catch {
    return '';
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** `120`, or a date. */
function retryAfter(header: string | null): number | null {
  if (header === null) return null;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.min(MAX_RETRY_AFTER_MS, Math.max(0, ms)) : null;
}

/** fetch() says `fetch failed`; what happened is in the cause. */
function reason(error: Error): string {
  const cause = error.cause as { code?: string; message?: string } | undefined;
  return cause?.code ?? cause?.message ?? error.message;
}
