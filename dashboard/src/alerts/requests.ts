import type { NewSilence, SessionAlert } from '../../../server/protocol/alerts.ts';

/** Asks the server to silence one alert: every label of it. Resolves to what went wrong, or ''. */
export function silenceAlert(
  alert: SessionAlert,
  until: NewSilence['until'],
  reason = '',
): Promise<string> {
  return ask('./api/silences', 'POST', { match: alert.labels, until, reason });
}

export function removeSilence(id: string): Promise<string> {
  return ask(`./api/silences/${encodeURIComponent(id)}`, 'DELETE');
}

async function ask(url: string, method: string, body?: object): Promise<string> {
  try {
    const answer = await fetch(url, {
      method,
      ...(body ? { headers: { 'Content-Type': 'application/json' } } : {}),
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (answer.ok) return '';
    const said = (await answer.json().catch(() => ({}))) as { error?: string };
    return said.error ?? `the server answered ${answer.status}`;
  } catch {
    return 'the server does not answer';
  }
}
