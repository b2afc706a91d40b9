/**
 * An export as Chrome JSON, opened in Chromium's own viewer of traces: the Performance
 * panel of its developer tools, which shows what it loaded and counts it with us.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../server/protocol/report.ts';
import { openBrowser, screenshot } from '../support/browser.ts';
import { eventually, lastref, ROOT } from '../support/cli.ts';

const FILE = `${ROOT}samples/demo-6.12.lastref`;
const PANEL = 'devtools://devtools/bundled/devtools_app.html?panel=timeline';

let folder: string;
let browser: Browser;
let page: Page;
let report: Report;
let loaded: Loaded;
beforeAll(async () => {
  folder = mkdtempSync(`${tmpdir()}/lastref-export-`);
  const done = await lastref(['export', FILE, '-o', `${folder}/demo.json`]);
  expect(done).toMatchObject({ code: 0, stderr: '' });
  report = JSON.parse((await lastref(['report', FILE, '--json'])).stdout) as Report;
  browser = await openBrowser();
  page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  await page.goto(PANEL);
  const chooser = page.waitForEvent('filechooser');
  await page
    .getByRole('button', { name: /^Load (trace|profile)/i })
    .first()
    .click();
  await (await chooser).setFiles(`${folder}/demo.json`);
  await eventually(30_000, async () => (await loadedIn(page)) !== null, 'the trace');
  loaded = (await loadedIn(page))!;
  await screenshot(page, 'export-devtools');
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

/** What the panel has loaded: of each thread its name and slices, with the depth of each. */
interface Loaded {
  readonly process: string;
  readonly threads: readonly {
    readonly name: string;
    readonly slices: readonly {
      readonly name: string;
      readonly depth: number;
      readonly dur: number;
    }[];
  }[];
}

/** Runs in the panel's page, on its own modules. Null while it loads. */
async function loadedIn(panel: Page): Promise<Loaded | null> {
  return (await panel.evaluate(`(async () => {
    const { TimelinePanel } = await import('devtools://devtools/bundled/panels/timeline/timeline.js');
    const panel = TimelinePanel.TimelinePanel.instance();
    if (!panel.hasActiveTrace()) return null;
    const { Renderer, Meta } = panel.getParsedTraceForLayoutTests();
    const [[pid, process]] = Renderer.processes;
    return {
      process: Meta.processNames.get(pid).args.name,
      threads: [...process.threads.values()].map((thread) => ({
        name: thread.name,
        slices: thread.entries.map((entry) => ({
          name: entry.name,
          depth: Renderer.entryToNode.get(entry).depth,
          dur: entry.dur,
        })),
      })),
    };
  })()`)) as Loaded | null;
}

describe('the Performance panel of Chromium', () => {
  it('opens the file, and names the host', () => {
    expect(loaded.process).toBe(`vm  Linux ${report.epochs[0]!.kernel}`);
  });

  it('has a row for each inode, and one for its RCU callback', () => {
    const names = loaded.threads.map((thread) => thread.name);
    const inodes = names.filter((name) => / ino \d+ \(\d+:\d+\)$/.test(name));
    expect(inodes).toHaveLength(report.inodes.ended);
    const rcu = names.filter((name) => / ino \d+ \(\d+:\d+\) RCU$/.test(name));
    expect(rcu).toHaveLength(report.stages['destroy_inode..i_callback']!.count);
  });

  it('has as many slices of each kind as the report, nested as the kernel ran them', () => {
    const slices = loaded.threads.flatMap((thread) => thread.slices);
    const count = (name: string, depth: number) =>
      slices.filter((slice) => slice.name === name && slice.depth === depth).length;
    expect(count('evict', 0)).toBe(report.stages['evict..evict_end']!.count);
    expect(count('evict_inode', 1)).toBe(report.stages['evict_inode..evict_inode_end']!.count);
    expect(count('RCU grace period', 0)).toBe(report.stages['destroy_inode..i_callback']!.count);
    expect(slices).toHaveLength(
      ['evict..evict_end', 'evict_inode..evict_inode_end', 'destroy_inode..i_callback']
        .map((pair) => report.stages[pair]!.count)
        .reduce((a, b) => a + b, 0),
    );
    // microseconds, with their nanoseconds
    const longest = Math.max(...slices.filter((s) => s.name === 'evict').map((s) => s.dur));
    expect(Math.round(longest * 1000)).toBe(report.stages['evict..evict_end']!.max_ns);
  });
});
