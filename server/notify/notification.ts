/** What a sink is told of an alert. */
import type { Notification, SessionAlert } from '../protocol/alerts.ts';
import { keyOf } from './spool.ts';

/** `pageUrl`: where people reach the page, without the token. The alert fires or is resolved. */
export function notificationOf(alert: SessionAlert, pageUrl: string): Notification {
  const starts_at = new Date(alert.starts_ms!).toISOString();
  const status = alert.state === 'resolved' ? 'resolved' : 'firing';
  const { fingerprint, labels, annotations, note, leak } = alert;
  return {
    version: 1,
    key: keyOf(fingerprint, starts_at, status),
    status,
    fingerprint,
    labels,
    annotations,
    starts_at,
    ends_at: alert.ends_ms === null ? null : new Date(alert.ends_ms).toISOString(),
    lasted_ms: status === 'resolved' ? Math.round(alert.lasted_ms) : null,
    note,
    url: `${pageUrl.replace(/\/+$/, '')}/#/${pathOf(alert)}`,
    leak,
  };
}

function pathOf({ leak, fingerprint }: SessionAlert): string {
  return leak.inode === null ? `alerts/${fingerprint}` : `inode/${leak.inode}`;
}

/** The end of an alert that nobody watched. */
export function endOf(firing: Notification, endsMs: number, note: string): Notification {
  return {
    ...firing,
    status: 'resolved',
    key: keyOf(firing.fingerprint, firing.starts_at, 'resolved'),
    ends_at: new Date(Math.max(endsMs, Date.parse(firing.starts_at))).toISOString(),
    lasted_ms: null,
    note,
  };
}
