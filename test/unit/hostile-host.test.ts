/** A host that answers with what fills memory, or with what is none. */
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Host, HostError } from '../../server/host/host.ts';
import { prepare } from '../../server/tracer/prepare.ts';
import { FAMILIES } from '../../server/tracer/programs.ts';
import { factsText } from '../fixtures/hosts.ts';

/** Says this of the BTF of its kernel. */
function hostWith(btf: Buffer): Host {
  const facts = factsText({ boot: String(btf.length) });
  return {
    name: 'box',
    run: async (script: string) => ({
      code: 0,
      stdout: script.includes('/sys/kernel/btf/$f') ? `${btf.toString('base64')}\n==\n` : facts,
      stderr: '',
      timedOut: false,
    }),
  } as Host;
}

describe('the BTF of a host', () => {
  it.each<[string, Buffer, RegExp]>([
    ['grows to 100 MiB', gzipSync(Buffer.alloc(100 * 1024 * 1024)), /larger than/i],
    ['is no archive', Buffer.from('<html>'), /incorrect header/],
    ['ends in its middle', gzipSync(Buffer.alloc(1000)).subarray(0, 15), /unexpected end/],
  ])('that %s is refused, and told as its fault', async (_, btf, why) => {
    const options = {
      fs: ['hugetlbfs'],
      detail: 'auto' as const,
      families: FAMILIES,
      bpftrace: 'bpftrace',
      stepsBelow: 1,
    };
    const error = await prepare(hostWith(btf), options).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(HostError);
    expect((error as HostError).message).toMatch(/^the BTF of box's kernel could not be read: /);
    expect((error as HostError).message).toMatch(why);
  });
});
