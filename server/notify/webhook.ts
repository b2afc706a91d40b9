/** POSTs each notification as it is. The key in the header is the same in each attempt. */
import { post, targetOf } from './post.ts';
import type { Sink } from './sink.ts';

export interface WebhookOptions {
  readonly webhook: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout: number;
}

export function webhook({ webhook: url, headers, timeout }: WebhookOptions): Sink {
  return {
    kind: 'webhook',
    target: targetOf(url),
    send: (notification, signal) =>
      post({
        url,
        headers: { 'Idempotency-Key': notification.key, ...headers },
        body: notification,
        timeoutNs: timeout,
        signal,
      }),
  };
}
