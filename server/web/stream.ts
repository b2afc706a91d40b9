/**
 * The WebSocket: each client gets the sections of the view it shows, whole once,
 * then those that changed: rows of the view twenty times a second at most, the
 * rest ten times. A slow client is given
 * fewer updates and told how many were folded; one that takes none is dropped,
 * alone; so is one that sends too much. Nothing here ever waits for a client.
 */
import type { WebSocket } from 'ws';
import type { z } from 'zod/mini';
import type { SessionAlerts } from '../notify/session-alerts.ts';
import { FilterError, parseFilter } from '../protocol/filter.ts';
import { APART } from '../protocol/hosts.ts';
import {
  type Hello,
  MESSAGE_VERSION,
  type RecordedFile,
  type Role,
  type ServerMessage,
  Subscribe,
  type Update,
  VIEWER_MAY_NOT,
} from '../protocol/messages.ts';
import { ReplayMessage } from '../protocol/replay.ts';
import { VERSION } from '../protocol/version.ts';
import type { History } from './history.ts';
import { HostChanges } from './host-changes.ts';
import type { LanesFeed } from './lanes.ts';
import { type Limits, Rates } from './limits.ts';
import type { Source } from './source.ts';
import type { Views } from './views.ts';

const PERIOD_MS = 50;
/** What is not rows of inodes is told every second time. */
const REST_EVERY = 2;
/** Sections that cost more than a millisecond or two, and that nobody follows by the row. */
const HEAVY_EVERY = 6;
/** ... and take no more than a tenth of the time, however many inodes there are. */
const HEAVY_SHARE = 9;
/** Bytes waiting for a client beyond which it gets nothing new. */
const SLOW_BYTES = 256 * 1024;
/** A client that has taken nothing for so long is dropped. */
const STALLED_MS = 60_000;
/** What a client asks for is answered at once, but not more often than this. */
const ANSWER_MS = 30;
/** The pair of stages whose latency is shown over time where the client names none. */
const GRACE = 'destroy_inode..i_callback';
/** A client that is told to go has so long to do it. */
const LEAVE_MS = 1000;

type Section = Exclude<keyof Update, 'type' | 'seq' | 'view' | 'coalesced' | 'now_ms'>;
/** What is told in changes, and does not replace what the client has. */
const APPENDED: ReadonlySet<Section> = new Set(['hosts', 'series', 'latency', 'lanes']);

export interface StreamOptions {
  readonly source: Source;
  readonly views: Views;
  readonly history: History;
  readonly alerts: SessionAlerts;
  readonly limits: Limits;
  /** Files of a live session's recording, the newest last; none by default. */
  readonly recorded?: () => readonly RecordedFile[];
}

export class Stream {
  readonly #clients = new Set<Client>();
  readonly #timer: NodeJS.Timeout;
  /** Clients dropped because they took nothing or sent too much, and updates folded: for /metrics. */
  readonly dropped = { stalled: 0, flooding: 0 };
  coalesced = 0;

  readonly source: Source;
  readonly views: Views;
  readonly history: History;
  readonly alerts: SessionAlerts;
  readonly limits: Limits;
  readonly recorded: () => readonly RecordedFile[];

  constructor({ source, views, history, alerts, limits, recorded }: StreamOptions) {
    this.source = source;
    this.views = views;
    this.history = history;
    this.alerts = alerts;
    this.limits = limits;
    this.recorded = recorded ?? (() => []);
    this.#timer = setInterval(() => this.#tick(), PERIOD_MS);
    this.#timer.unref();
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** Whether there are as many clients of this role as there may be. */
  isFull(role: Role): boolean {
    const same = [...this.#clients].filter((client) => client.role === role);
    return same.length >= this.limits.sockets;
  }

  add(socket: WebSocket, role: Role): void {
    const client = new Client(socket, role, this);
    this.#clients.add(client);
    socket.on('close', () => this.#clients.delete(client));
    socket.on('error', () => socket.terminate());
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { socket } of this.#clients) {
      socket.close(1001, 'lastref ends');
      // one that sleeps never says goodbye
      setTimeout(() => socket.terminate(), LEAVE_MS).unref();
    }
  }

  #tick(): void {
    for (const client of this.#clients) {
      if (client.update(performance.now()) === 'stalled') {
        this.dropped.stalled++;
        client.socket.terminate();
      }
    }
  }
}

class Client {
  readonly socket: WebSocket;
  readonly role: Role;
  readonly #stream: Stream;
  readonly #rates: Rates;
  #ask: Subscribe | null = null;
  #seq = 0;
  #coalesced = 0;
  #slowSince = 0;
  #turn = 0;
  /** From this turn on, the heavy sections are due. */
  #heavyTurn = 0;
  #answeredAt = Number.NEGATIVE_INFINITY;
  /** What each section said last, so that only changes are sent. */
  readonly #sent = new Map<Section, string>();
  readonly #hosts = new HostChanges();
  /** What is costly is made again when nine times as long has passed as it took. */
  #heavyAt = 0;
  /** Points of the history that the client has. */
  #points = 0;
  #latencyPoints = 0;
  /** With the view of that name. */
  #lanes: LanesFeed | null = null;
  /** What of a replay the client has seen. */
  #generation = 0;
  #skips = 0;
  #marks = -1;
  /** The newest file of the recording that it knows. */
  #newestFile = '';

  constructor(socket: WebSocket, role: Role, stream: Stream) {
    this.socket = socket;
    this.role = role;
    this.#stream = stream;
    this.#rates = new Rates(stream.limits.messages);
    const { mode, banner, workload } = stream.source;
    const hello: Hello = {
      type: 'hello',
      version: MESSAGE_VERSION,
      lastref: VERSION,
      role,
      mode,
      banner,
      workload,
    };
    this.#send(hello);
    socket.on('message', (data, isBinary) => {
      if (this.#hasRoom()) this.#asked(String(data), isBinary);
    });
    socket.on('ping', () => this.#hasRoom());
  }

  /** False: it sends too much. It is told so, once, and nothing more of it is read. */
  #hasRoom(): boolean {
    if (this.#rates.take('', performance.now()) === 0) return true;
    const { perS } = this.#stream.limits.messages;
    this.#refuse(`more than ${perS} messages a second: this connection ends`);
    this.#ask = null;
    this.#stream.dropped.flooding++;
    this.socket.removeAllListeners('message').removeAllListeners('ping');
    this.socket.close(1008, 'too many messages');
    setTimeout(() => this.socket.terminate(), LEAVE_MS).unref();
    return false;
  }

  update(now: number): 'ok' | 'stalled' {
    const ask = this.#ask;
    if (ask === null) return 'ok';
    if (this.socket.bufferedAmount > SLOW_BYTES) {
      this.#coalesced++;
      this.#stream.coalesced++;
      this.#slowSince ||= now;
      return now - this.#slowSince > STALLED_MS ? 'stalled' : 'ok';
    }
    this.#slowSince = 0;
    this.#jumped();
    const shown = this.#stream.source.now();
    const sections = this.#sections(ask, shown, now);
    const parts: string[] = [];
    for (const [name, value] of sections) {
      const text = JSON.stringify(value);
      if (this.#sent.get(name) === text) continue;
      if (!APPENDED.has(name)) this.#sent.set(name, text);
      parts.push(`${JSON.stringify(name)}:${text}`);
    }
    if (parts.length === 0) return 'ok';
    const head = {
      type: 'update',
      seq: ++this.#seq,
      view: ask.view,
      coalesced: this.#coalesced,
      now_ms: shown,
    };
    this.#coalesced = 0;
    this.#heavyAt = Math.max(this.#heavyAt, now + HEAVY_SHARE * (performance.now() - now));
    this.socket.send(`${JSON.stringify(head).slice(0, -1)},${parts.join(',')}}`);
    return 'ok';
  }

  /** `shown`: the time that is shown as now. */
  #sections(ask: Subscribe, shown: number, now: number): [Section, unknown][] {
    const { views, history, alerts } = this.#stream;
    const rested = now >= this.#heavyAt;
    const turn = this.#turn++;
    const rows: [Section, unknown][] =
      ask.view === 'inodes' && rested ? [['inodes', views.inodes(ask)]] : [];
    if (turn % REST_EVERY !== 0) return rows;
    const heavy = rested && turn >= this.#heavyTurn;
    if (heavy) this.#heavyTurn = turn + HEAVY_EVERY;
    const out: [Section, unknown][] = [['firing', alerts.firing()], ...rows];
    const hosts = this.#hosts.next(() => views.hosts(shown));
    if (hosts !== null) out.push(['hosts', hosts]);
    this.#recorded(out);
    const { controls } = this.#stream.source;
    if (controls !== undefined) {
      out.push(['replay', controls.status()]);
      if (controls.scan.revision !== this.#marks) out.push(['marks', controls.marks()]);
      this.#marks = controls.scan.revision;
    }
    // the time bar of a live session is made of it; a replay has marks for that
    if (controls === undefined || ask.view === 'overview') this.#series(out, ask.host);
    switch (ask.view) {
      case 'overview': {
        out.push(['totals', views.totals(ask.host)]);
        if (heavy) out.push(['latencies', views.latencies(ask.host)]);
        const latency = history.latency(ask.pair ?? GRACE, this.#latencyPoints, ask.host);
        this.#latencyPoints = history.taken;
        if (latency !== null) out.push(['latency', latency]);
        break;
      }
      case 'timeline': {
        this.#lanes ??= views.lanesFeed(ask);
        const lanes = views.lanes(this.#lanes, ask.host);
        if (lanes !== null) out.push(['lanes', lanes]);
        break;
      }
      case 'inode':
        out.push(['inode', views.inode(ask.inode ?? '')]);
        out.push(['leaks', views.leaks(alerts.list(), { inode: ask.inode ?? '' })]);
        break;
      case 'hugepages': {
        if (!heavy) break;
        // of many hosts, one is shown at a time
        if (ask.host === undefined && this.#stream.source.hosts().length > APART) break;
        const leaks = views.leaks(alerts.list(), { host: ask.host });
        out.push(['leaks', leaks]);
        out.push(['pools', views.pools(ask.host)]);
        out.push(['hugepages', views.hugepages(leaks, ask.host)]);
        break;
      }
      case 'callbacks':
        if (!heavy) break;
        out.push(['callbacks', views.callbacks(ask.host)]);
        out.push(['latencies', views.latencies(ask.host)]);
        out.push(['filesystems', views.filesystems(ask.host)]);
        break;
      case 'contract':
        if (heavy) out.push(['contract', views.contract(ask.host)]);
        if (heavy && ask.finding) out.push(['finding', views.finding(ask.finding)]);
        break;
      case 'alerts':
        out.push(['alerts', alerts.view(ask.host)]);
        break;
      case 'losses':
        if (heavy) out.push(['losses', views.losses(ask.host)]);
        break;
      case 'compare':
        if (heavy) out.push(['compare', this.#stream.source.comparison ?? null]);
        break;
    }
    return out;
  }

  #recorded(out: [Section, unknown][]): void {
    const files = this.role === 'operator' ? this.#stream.recorded() : [];
    const newest = files.at(-1)?.file ?? '';
    if (newest === this.#newestFile) return;
    this.#newestFile = newest;
    out.push(['recorded', files]);
  }

  #series(out: [Section, unknown][], host?: string): void {
    const { history } = this.#stream;
    const series = history.since(this.#points, host);
    this.#points = history.taken;
    if (series !== null) out.push(['series', series]);
  }

  #asked(text: string, isBinary: boolean): void {
    if (isBinary) return this.#refuse('expected a text frame with JSON, got a binary one');
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return this.#refuse('expected JSON');
    }
    if ((value as { type?: unknown } | null)?.type === 'replay') return this.#command(value);
    const parsed = Subscribe.safeParse(value);
    if (!parsed.success) return this.#refuse(`subscribe: ${whereOf(parsed.error)}`);
    try {
      // a filter that is none must not take the place of the one that works
      parseFilter(parsed.data.filter ?? '');
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      return this.#send({ type: 'error', message: error.message, at: error.at });
    }
    this.#ask = parsed.data;
    this.#anew();
    this.#answer();
  }

  /** At once, or with the next turn where that was just done. */
  #answer(): void {
    const now = performance.now();
    if (now - this.#answeredAt < ANSWER_MS) return;
    this.#answeredAt = now;
    this.update(now);
  }

  #command(value: unknown): void {
    const { controls } = this.#stream.source;
    if (controls === undefined) return this.#refuse('replay: this is a live session');
    if (this.role !== 'operator') return this.#refuse(VIEWER_MAY_NOT);
    const parsed = ReplayMessage.safeParse(value);
    if (!parsed.success) return this.#refuse(`replay: ${whereOf(parsed.error)}`);
    void controls.command(parsed.data.command).then(() => this.#answer());
  }

  /** After a jump of a replay nothing that the client has is of this time. */
  #jumped(): void {
    const { controls } = this.#stream.source;
    if (controls === undefined) return;
    const { generation, skips } = controls;
    // the inodes are other objects, even where time only went on
    if (skips !== this.#skips) this.#lanes = null;
    this.#skips = skips;
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#anew();
  }

  /** Every section in full, next time. */
  #anew(): void {
    this.#sent.clear();
    this.#hosts.reset();
    this.#heavyAt = 0;
    this.#points = 0;
    this.#latencyPoints = 0;
    this.#lanes = null;
    this.#turn = 0;
    this.#heavyTurn = 0;
    this.#marks = -1;
  }

  #refuse(message: string): void {
    this.#send({ type: 'error', message });
  }

  #send(message: ServerMessage): void {
    this.socket.send(JSON.stringify(message));
  }
}

function whereOf({ issues }: { readonly issues: readonly z.core.$ZodIssue[] }): string {
  const { path, message } = issues[0]!;
  return `${path.join('.') || 'message'}: ${message}`;
}
