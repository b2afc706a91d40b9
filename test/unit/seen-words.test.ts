import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it, vi } from 'vitest';
import { SeenWords } from '../../server/tracer/seen-words.ts';

// only what is still kept after a collection counts: when V8 collects by itself is its affair
setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Bytes of buffers that something still refers to. */
function keptBytes(): number {
  gc();
  return process.memoryUsage().arrayBuffers;
}

it('keeps the bytes of a word and not more: not the memory of which they were a part', async () => {
  const places = 1024;
  const seen = new SeenWords((buf, start, end) => buf.toString('latin1', start, end));
  const before = keptBytes();
  for (let i = 0; i < places; i++) {
    // as between other buffers: each word would keep eight kilobytes of those
    const others = [Buffer.from('x'.repeat(4000)), Buffer.from('y'.repeat(4000))];
    expect(others).toHaveLength(2);
    expect(seen.get(Buffer.from(`word${i}`), 0, 6, i)).toBe(`word${i}`.slice(0, 6));
  }
  // what was collected is freed by another thread, a moment later
  await vi.waitFor(() => expect(keptBytes() - before).toBeLessThan(1e6), { timeout: 20_000 });
  expect(seen.get(Buffer.from('word0'), 0, 5, 0)).toBe('word0');
}, 30_000);
