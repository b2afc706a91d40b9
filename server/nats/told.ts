/**
 * Which sink was told what, kept at the broker for all servers: one that takes over a host
 * computes its alerts anew and must not tell them again. Before a sink is told, the server
 * writes that it is about to; after it has taken it, that it was. Between the two a server
 * may die, and then the next one tells it again: at least once, and twice in that case alone.
 */
import type { KV } from '@nats-io/kv';
import { z } from 'zod';
import type { Answer, Sink } from '../notify/sink.ts';
import type { Notification } from '../protocol/alerts.ts';
import { swap } from './bucket.ts';

/** Where another server is about to tell it, ms. */
const WAIT_MS = 2000;
/** Tries to write down that it was told, and the pause between them, ms. */
const NOTES = 5;
const NOTE_PAUSE_MS = 300;

const Told = z.object({
  status: z.enum(['firing', 'resolved']),
  starts_at: z.string(),
  /** False: `by` is about to tell it. */
  told: z.boolean(),
  by: z.string(),
});
export type Told = z.infer<typeof Told>;

export interface ToldOptions {
  readonly bucket: KV;
  /** Of this server. */
  readonly id: string;
  /** Whether the server with this id runs. */
  readonly isRunning: (id: string) => boolean;
}

/** A sink that is told once by all servers together what they all know of. */
export function toldOnce(sink: Sink, name: string, options: () => ToldOptions): Sink {
  return {
    kind: sink.kind,
    target: sink.target,
    ...(sink.repeat === undefined ? {} : { repeat: sink.repeat }),
    send: (notification, signal) => send(sink, name, options(), notification, signal),
  };
}

async function send(
  sink: Sink,
  name: string,
  { bucket, id, isRunning }: ToldOptions,
  notification: Notification,
  signal: AbortSignal,
): Promise<Answer> {
  const key = `${name}.${notification.fingerprint}`;
  const { status, starts_at } = notification;
  const note = (told: boolean) => JSON.stringify({ status, starts_at, told, by: id });
  let revision: number | null;
  try {
    const entry = await bucket.get(key);
    const known = entry?.operation === 'PUT' ? parsed(entry.string()) : null;
    if (known !== null && covers(known, notification)) {
      if (known.told) return { kind: 'taken' };
      if (known.by !== id && isRunning(known.by)) {
        return { kind: 'failed', why: 'another server is telling it', retryAfterMs: WAIT_MS };
      }
    }
    revision = await swap(bucket, key, note(false), entry?.revision ?? 0);
  } catch (error) {
    return { kind: 'failed', why: `the broker does not answer (${(error as Error).message})` };
  }
  if (revision === null) {
    return { kind: 'failed', why: 'another server was faster', retryAfterMs: WAIT_MS };
  }
  const answer = await sink.send(notification, signal);
  if (answer.kind !== 'failed') await noteTold(bucket, key, note(true), revision);
  return answer;
}

/** It was told, whatever becomes of this: at worst another server tells it again. */
async function noteTold(bucket: KV, key: string, text: string, revision: number): Promise<void> {
  for (let attempt = 0; attempt < NOTES; attempt++) {
    try {
      await swap(bucket, key, text, revision);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, NOTE_PAUSE_MS));
    }
  }
}

/** Whether what stands there says this notification, or one that comes after it. */
export function covers(
  known: Told,
  { status, starts_at }: Pick<Notification, 'status' | 'starts_at'>,
) {
  // one that fires and has not ended is the same alert, whenever a server saw it begin
  if (known.status === 'firing') return status === 'firing';
  return Date.parse(starts_at) <= Date.parse(known.starts_at);
}

function parsed(text: string): Told | null {
  try {
    return Told.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
