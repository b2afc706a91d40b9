import { effect, signal } from '@preact/signals';
import { go, store } from '../session.ts';
import { newsOf } from './words.ts';

/**
 * The browser's own notifications, when the reader has allowed them. They are asked for by
 * a click in the Alerts view and never otherwise.
 */
export const permission = signal<NotificationPermission | 'none'>(
  'Notification' in globalThis ? Notification.permission : 'none',
);

export async function askPermission(): Promise<void> {
  permission.value = await Notification.requestPermission();
}

export function startNotices(): void {
  let known: ReadonlySet<string> | null = null;
  effect(() => {
    const { newest } = store.firing.value;
    // nothing has arrived yet
    if (store.firstAt.value === 0) return;
    const news = newsOf(known, newest);
    known = new Set([...(known ?? []), ...newest.map(({ key }) => key)]);
    if (permission.value !== 'granted' || store.hello.value?.mode !== 'live') return;
    for (const { key, title, text } of news) notify(key, title, text);
  });
}

function notify(key: string, title: string, text: string): void {
  const notification = new Notification(`lastref: ${title}`, { body: text, tag: key });
  notification.onclick = () => {
    focus();
    go({ view: 'alerts', alert: key.split('-')[0]! });
    notification.close();
  };
}
