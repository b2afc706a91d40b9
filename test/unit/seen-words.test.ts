import { expect, it } from 'vitest';
import { SeenWords } from '../../server/tracer/seen-words.ts';

it('keeps the bytes of a word and not more: not the memory of which they were a part', () => {
  const places = 1024;
  const seen = new SeenWords((buf, start, end) => buf.toString('latin1', start, end));
  const before = process.memoryUsage();
  for (let i = 0; i < places; i++) {
    // as between other buffers: each word would keep eight kilobytes of those
    const others = [Buffer.from('x'.repeat(4000)), Buffer.from('y'.repeat(4000))];
    expect(others).toHaveLength(2);
    expect(seen.get(Buffer.from(`word${i}`), 0, 6, i)).toBe(`word${i}`.slice(0, 6));
  }
  const after = process.memoryUsage();
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(4e6);
});
