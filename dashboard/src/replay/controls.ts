import { effect } from '@preact/signals';
import type { ReplaySpeed, ReplayStatus } from '../../../server/protocol/replay.ts';
import { go, route, sendCommand, store } from '../session.ts';
import { linkTime, timeOfLink } from './time.ts';

/** What the menu of speeds offers; the command line may have asked for another. */
export const SPEEDS: readonly ReplaySpeed[] = [0.1, 0.5, 1, 2, 10, 100, 'max'];

/** While it plays, a link to a time this near is the page's own, loaded again. */
const NEAR_MS = 3000;
/** How often the address follows while it plays. */
const ADDRESS_MS = 1000;

/** For so long after something was asked for, what the server says may be of before. */
const ANSWER_MS = 1000;
/** Whether it shall play, until the server says so. */
let wanted: { readonly playing: boolean; readonly at: number } | null = null;

export function playOrPause(): void {
  const status = store.replay.peek();
  if (status === null) return;
  const fresh = wanted !== null && performance.now() - wanted.at < ANSWER_MS;
  const playing = fresh ? wanted!.playing : status.state === 'playing';
  wanted = { playing: !playing, at: performance.now() };
  sendCommand({ do: playing ? 'pause' : 'play' });
}

let asked: { readonly speed: ReplaySpeed; readonly at: number } | null = null;

export function setSpeed(speed: ReplaySpeed): void {
  asked = { speed, at: performance.now() };
  sendCommand({ do: 'speed', speed });
}

/** The next one of the menu, faster or slower. */
export function changeSpeed(by: 1 | -1): void {
  const status = store.replay.peek();
  if (status === null) return;
  const value = (speed: ReplaySpeed) => (speed === 'max' ? Number.POSITIVE_INFINITY : speed);
  const fresh = asked !== null && performance.now() - asked.at < ANSWER_MS;
  const now = value(fresh ? asked!.speed : status.speed);
  const others = SPEEDS.filter((speed) => (by > 0 ? value(speed) > now : value(speed) < now));
  const speed = by > 0 ? others[0] : others.at(-1);
  if (speed !== undefined) setSpeed(speed);
}

export function seekTo(at_ms: number): void {
  sendCommand({ do: 'seek', at_ms });
}

export function seekBy(ms: number): void {
  sendCommand({ do: 'skip', by_ms: ms });
}

export function stepEvent(back: boolean): void {
  sendCommand({ do: 'step', to: 'event', back });
}

export function nextAlert(): void {
  sendCommand({ do: 'step', to: 'alert' });
}

/** Of the inode that is shown or selected; the page goes along with it. */
export function nextTeardown(): void {
  follow = true;
  sendCommand({ do: 'step', to: 'teardown', inode: route.peek().inode });
}

let follow = false;

/** Opens the time that the link names, and keeps the address in step with what is shown. */
export function startReplay(): void {
  let opened = false;
  let written = 0;
  effect(() => {
    const status = store.replay.value;
    if (status === null) return;
    if (wanted?.playing === (status.state === 'playing')) wanted = null;
    if (!opened) {
      opened = true;
      if (openLink(status)) return;
    }
    if (follow && status.state === 'paused') {
      follow = false;
      if (status.inode !== '') go({ view: 'inode', inode: status.inode, follow: false });
    }
    if (status.state === 'seeking') return;
    if (status.state === 'playing' && Date.now() - written < ADDRESS_MS) return;
    written = Date.now();
    go({ t: linkTime(status) });
  });
}

/** True: it goes where the link says, and stays there. */
function openLink(status: ReplayStatus): boolean {
  const at = timeOfLink(route.peek().t, status);
  if (at === null || isThere(at, status)) return false;
  sendCommand({ do: 'pause' });
  seekTo(at);
  return true;
}

function isThere(at: number, status: ReplayStatus): boolean {
  return status.state === 'playing'
    ? Math.abs(at - status.at_ms) < NEAR_MS
    : status.state === 'paused' && linkTime(status) === route.peek().t;
}
