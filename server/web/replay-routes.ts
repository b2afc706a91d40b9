/** `/api/replay`: where a replay is and what it marks; POST a command, get where it is then. */
import express, { type Express } from 'express';
import { ReplayCommand } from '../protocol/replay.ts';
import { badBody } from './alert-routes.ts';
import type { ReplayControls } from './source.ts';

const LIVE = 'this is a live session; a recording is played with `lastref replay FILE`';

export function replayRoutes(app: Express, controls: ReplayControls | undefined): void {
  app.get('/api/replay', (_, response) => {
    if (controls === undefined) return void response.status(404).json({ error: LIVE });
    response.json({ ...controls.status(), marks: controls.marks() });
  });
  app.post('/api/replay', express.json({ limit: '4kb' }), async (request, response) => {
    if (controls === undefined) return void response.status(409).json({ error: LIVE });
    const command = ReplayCommand.safeParse(request.body);
    if (!command.success) {
      const issue = command.error.issues[0]!;
      response
        .status(400)
        .json({ error: `${issue.path.join('.') || 'command'}: ${issue.message}` });
      return;
    }
    await controls.command(command.data);
    response.json(controls.status());
  });
  app.use('/api/replay', badBody);
}
