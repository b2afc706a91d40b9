/** The lines of one scan of the host (host/scan.ts), put together. */
import type { Holder, HostScan, Pinner, Segment } from '../model/leaks/scan.ts';
import type { AgentLine } from './agent-lines.ts';

/** Lines of each kind that are kept of one scan; the agent says no more than 4,000 of holders. */
const MAX_SCANNED = 10_000;

export class ScanLines {
  private _holders: Holder[] = [];
  private _pinners: Pinner[] = [];
  private _segments: Segment[] = [];

  /** What came of a scan before is not part of the next one. */
  begin(): void {
    this._holders = [];
    this._pinners = [];
    this._segments = [];
  }

  add(line: Extract<AgentLine, { kind: 'holder' | 'pinner' | 'segment' }>): void {
    if (line.kind === 'holder') push(this._holders, line.holder);
    else if (line.kind === 'pinner') push(this._pinners, line.pinner);
    else push(this._segments, line.segment);
  }

  /** The scan ended at `ts`, ns of the epoch. `whole`: as the agent says; not where too much was said. */
  end(ts: number, whole: boolean): HostScan {
    const [holders, pinners, segments] = [this._holders, this._pinners, this._segments];
    this.begin();
    const room = [holders, pinners, segments].every(({ length }) => length < MAX_SCANNED);
    return { ts, whole: whole && room, holders, pinners, segments };
  }
}

function push<T>(list: T[], one: T): void {
  if (list.length < MAX_SCANNED) list.push(one);
}
