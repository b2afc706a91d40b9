/** A page of a session that is recorded in several files is told of each. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { RecordedFile, ServerMessage } from '../../server/protocol/messages.ts';
import { startWeb, type Web } from '../../server/web/server.ts';
import { DEMO, framesOf, RecordedSession } from '../fixtures/recordings.ts';

const directory = mkdtempSync(join(tmpdir(), 'lastref-files-'));
const ends: (() => unknown)[] = [() => rmSync(directory, { recursive: true })];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** What it was told of files, each time anew. */
async function watching(web: Web, token: string): Promise<(readonly RecordedFile[])[]> {
  const socket = new WebSocket(`ws://127.0.0.1:${web.port}/ws?token=${token}`);
  ends.push(() => socket.terminate());
  const told: (readonly RecordedFile[])[] = [];
  const first = new Promise<void>((resolve) => {
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as ServerMessage;
      if (message.type !== 'update') return;
      if (message.recorded !== undefined) told.push(message.recorded);
      resolve();
    });
  });
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'subscribe', view: 'losses' }));
  await first;
  return told;
}

it('of the one that is written, and of the next when that is; a viewer of none', async () => {
  const played = framesOf(DEMO);
  const file = join(directory, 't.lastref');
  const session = new RecordedSession(played, { file, limits: { bytes: null, ageMs: 12_000 } });
  const half = played.frames.length >> 1;
  session.giveAll(0, half);
  const before = session.recorder.files.length;
  const web = await startWeb({
    source: {
      ...{ mode: 'live', banner: null, workload: null, now: () => Date.now(), hosts: () => [] },
      pipelines: () => session.pipelines,
    },
    port: 0,
    recording: () => ({ recording: session.recorder.state(), flight: null }),
  });
  ends.push(() => web.close());
  const operator = await watching(web, web.token);
  const viewer = await watching(web, new URL(web.viewerLink).searchParams.get('token')!);
  expect(operator.map((files) => files.length)).toEqual([before]);
  session.giveAll(half);
  session.close();
  await expect.poll(() => operator.at(-1)!.length).toBe(session.recorder.files.length);
  expect(session.recorder.files.length).toBeGreaterThan(before);
  const files = operator.at(-1)!;
  expect(files.map((of) => of.file)).toEqual(session.recorder.files);
  // the clock of this session begins with its first frame
  expect(files[1]!.from_ms).toBeGreaterThanOrEqual(played.frames[0]!.atMs);
  for (const [i, { from_ms }] of files.entries()) {
    if (i > 0) expect(from_ms).toBeGreaterThan(files[i - 1]!.from_ms);
  }
  expect(viewer).toEqual([]);
});
