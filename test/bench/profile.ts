/**
 * Where the time goes while bytes of bpftrace become the state of the model: what `ingest`
 * measures, sampled, as a picture. The newest stack is at the bottom, what takes most is on the left.
 *
 *   scripts/bench profile [--input steps] [--events 1000000] [--write]
 *
 * Profiles go to test/artefacts/profiles, to be opened in speedscope or Chromium, with a picture
 * of each; `--write`: the pictures go to docs/images.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { feed } from '../../server/tracer/tracer.ts';
import { openBrowser } from '../support/browser.ts';
import { ROOT } from '../support/cli.ts';
import { readOptions } from './options.ts';
import { repeat } from './repeat.ts';
import { printHeader } from './result.ts';
import { INPUTS, KEEP, RATE } from './template.ts';

const options = readOptions(
  { input: ['steps', 'lifecycle'], events: 1_000_000, write: false },
  { input: INPUTS.map(({ name }) => name), events: 10_000 },
);
const { events } = options;

const PROFILES = `${ROOT}test/artefacts/profiles`;
const SPEEDSCOPE = `${ROOT}node_modules/speedscope/dist/release/index.html`;
/** Of the events, before anything is sampled: until then most of the code is not compiled. */
const WARM = 0.4;

mkdirSync(PROFILES, { recursive: true });
printHeader(false);
for (const { name, read } of INPUTS) {
  if (!options.input.includes(name)) continue;
  const file = `${PROFILES}/${name}.cpuprofile`;
  const profile = await sampled(read(), events);
  writeFileSync(file, profile);
  const picture = options.write
    ? `${ROOT}docs/images/profile-${name}.png`
    : `${PROFILES}/${name}.png`;
  await draw(name, profile, picture);
  console.log(`${name}: ${file}\n${' '.repeat(name.length + 2)}${picture}`);
}

async function sampled(template: ReturnType<(typeof INPUTS)[number]['read']>, events: number) {
  const { frames } = repeat(template, events, RATE);
  const pipeline = new Pipeline(template.info, { keep: KEEP });
  const from = Math.floor(frames.length * WARM);
  for (const { kind, bytes } of frames.slice(0, from)) feed(pipeline, kind, bytes);
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 250 });
  await session.post('Profiler.start');
  for (const { kind, bytes } of frames.slice(from)) feed(pipeline, kind, bytes);
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  return JSON.stringify(profile);
}

/** As speedscope shows it: stacks that are alike lie together, the heaviest on the left. */
async function draw(name: string, profile: string, picture: string): Promise<void> {
  const base64 = Buffer.from(profile).toString('base64');
  const script = `${PROFILES}/${name}.js`;
  writeFileSync(
    script,
    `speedscope.loadFileFromBase64(${JSON.stringify(`${name}.cpuprofile`)}, ${JSON.stringify(base64)});\n`,
  );
  const browser = await openBrowser();
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 640 } });
    await page.goto(`file://${SPEEDSCOPE}#localProfilePath=${script}`);
    await page.getByText('Left Heavy').click();
    await page.waitForTimeout(1500);
    await page.screenshot({ path: picture });
  } finally {
    await browser.close();
  }
}
