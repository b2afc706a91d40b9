/** Alerts and silences over HTTP. */
import express, { type ErrorRequestHandler, type Express } from 'express';
import type { SessionAlerts } from '../notify/session-alerts.ts';
import { MAX_SILENCES, NewSilence } from '../protocol/alerts.ts';

export function alertRoutes(app: Express, alerts: SessionAlerts): void {
  app.get('/api/alerts', (_, response) => {
    response.json(alerts.list());
  });
  app.get('/api/silences', (_, response) => {
    response.json(alerts.silences());
  });
  app.post('/api/silences', express.json({ limit: '64kb' }), (request, response) => {
    const asked = NewSilence.safeParse(request.body);
    if (!asked.success) {
      const issue = asked.error.issues[0]!;
      const where = issue.path.join('.') || 'body (application/json)';
      response.status(400).json({ error: `${where}: ${issue.message}` });
      return;
    }
    const silence = alerts.silence(asked.data);
    if (silence === 'replay') {
      response.status(409).json({ error: 'this is a recording: it has nobody to be silent to' });
    } else if (silence === 'full') {
      response.status(409).json({ error: `there are ${MAX_SILENCES} silences: remove some` });
    } else {
      response.status(201).json(silence);
    }
  });
  app.use('/api/silences', badBody);
  app.delete('/api/silences/:id', (request, response) => {
    if (alerts.unsilence(request.params.id)) response.status(204).end();
    else {
      response.status(404).json({ error: 'no such silence, or it stands in the config file' });
    }
  });
}

/** What express.json() throws: no JSON, too long. */
export const badBody: ErrorRequestHandler = (
  error: { status?: number; message: string },
  _,
  response,
  next,
) => {
  if (error.status === undefined || error.status >= 500) return next(error);
  response.status(error.status).json({ error: `body: ${error.message}` });
};
