import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../server/protocol/events.ts';
import { formatAddress } from '../../server/protocol/units.ts';
import { Decoder, type DecoderSink } from '../../server/tracer/decoder.ts';
import { commWords as words } from '../fixtures/trace.ts';

/** Everything a decoder says, in order, as data. */
function collect(): DecoderSink & { said: unknown[]; events: TraceEvent[] } {
  const said: unknown[] = [];
  const events: TraceEvent[] = [];
  return {
    said,
    events,
    event: (e) => {
      events.push(e);
      said.push(e);
    },
    hits: (id, count) => said.push({ hits: [id, count] }),
    lost: (n) => said.push({ lost: n }),
    full: (n) => said.push({ full: n }),
    kept: (n) => said.push({ kept: n }),
    frame: (text) => said.push({ frame: text }),
    program: (name) => said.push({ program: name }),
    rejected: (line, why) => said.push({ rejected: line, why }),
  };
}

function decode(bytes: Buffer | string, cuts: number[] = []): ReturnType<typeof collect> {
  const sink = collect();
  const decoder = new Decoder(sink);
  const all = Buffer.from(bytes);
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    const to = Math.min(cut, all.length);
    if (to > from) decoder.push(all.subarray(from, to));
    from = Math.max(from, to);
  }
  decoder.push(all.subarray(from));
  decoder.end();
  return sink;
}

// printed by bpftrace 0.23.2 on Linux 6.12.117
const REAL = `Attaching 17 probes...
lastref 1 teardown
tick 477702797312 0 0 0 10

alloc_inode 478353035309 1 391 391 ff48754441aaea00 17 958458f6
sb 478383309037 1 391 391 ff48754441a48800 17 958458f6 0 hugetlbfs_evict_inode hugetlbfs_destroy_inode hugetlbfs_free_inode hugetlbfs
evict 478383606882 1 391 391 ff48754441aaea00 17 958458f6 2078 0 33279 8388608 16384 2048 6c726570 0
evict_inode 478383772831 1 391 391 ff48754441aaea00
clear_inode 478384714750 1 391 391 ff48754441aaea00 0 80
evict_inode_end 478384819718 1 391 391 ff48754441aaea00
destroy_inode 478384952296 1 391 391 ff48754441aaea00 180
destroy_op 478385057604 1 391 391 ff48754441aaea00
evict_end 478385154148 1 391 391 ff48754441aaea00
i_callback 478404366641 1 390 390 ff48754441aaea00 hugetlbfs_free_inode 400100 6563617274667062 0
free_inode 478404509735 1 390 390 ff48754441aaea00
@hits[10]: 1
@hits_4: 2
@full: 2
Lost 3 events
`;

describe('decoder', () => {
  it('reads what bpftrace printed', () => {
    const { events, said } = decode(REAL);
    expect(said.filter((s) => 'rejected' in (s as object))).toEqual([]);
    const evict = events.find((e) => e.kind === 'evict');
    expect(evict).toMatchObject({ ts: 680809570, ino: 2078, nrpages: 2048, comm: 'perl', dev: 17 });
    expect(evict && formatAddress(evict.inode)).toBe('ff48754441aaea00');
    expect(events.find((e) => e.kind === 'i_callback')).toMatchObject({
      comm: 'bpftrace',
      free_inode: 'hugetlbfs_free_inode',
    });
    expect(said).toContainEqual({ hits: [10, 1] });
    expect(said).toContainEqual({ hits: [4, 2] });
    expect(said).toContainEqual({ lost: 3 });
    expect(said).toContainEqual({ full: 2 });
  });

  it('says the same wherever the chunks are cut', () => {
    const whole = decode(REAL).said;
    fc.assert(
      fc.property(fc.array(fc.nat(REAL.length)), (cuts) => {
        expect(decode(REAL, cuts).said).toEqual(whole);
      }),
    );
  });

  it('survives any bytes, keeps every whole line after them, and forges nothing', () => {
    const line = 'evict_end 478385154148 1 391 391 ff48754441aaea00\n';
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (noise) => {
        const { events } = decode(Buffer.concat([Buffer.from(noise), Buffer.from(`\n${line}`)]));
        expect(events.at(-1)).toMatchObject({ kind: 'evict_end', tid: 391 });
      }),
    );
  });

  it('never makes a second event out of any comm', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (comm) => {
        const words = Buffer.from(comm);
        const hex = `${words.readBigUInt64LE(0).toString(16)} ${words.readBigUInt64LE(8).toString(16)}`;
        const { said } = decode(
          `evict 9 1 2 2 ff48754441aaea00 17 958458f6 2078 0 33279 0 0 0 ${hex}\n`,
        );
        expect(said).toHaveLength(1);
        expect(said[0]).toMatchObject({ kind: 'evict', ino: 2078 });
      }),
    );
  });

  it.each([
    ['evict_end 1 1 1 1 ff48754441aaea01\n', 'field inode: expected a kernel address'],
    ['evict_end 1 1 1 1 0048754441aaea00\n', 'field inode: expected a kernel address'],
    ['evict_end 1 1 x 1 ff48754441aaea00\n', 'field pid: expected an unsigned number'],
    ['evict_end 1 1 1 1\n', 'the line ends after field tid'],
    ['evict_end 1 1 1 1 ff48754441aaea00 1\n', 'text after the last field, inode'],
    ['no_such_line 1 1 1 1\n', 'no line of this grammar begins so'],
    ['lastref 9 x\n', 'grammar version 9; this lastref reads version 1'],
    ['evict_end 1 1 1 1 ff48754441aaea00', 'cut off: the stream ended inside the line'],
    ['\x1b[31mhello\n', 'neither one of our lines nor one of bpftrace'],
  ])('rejects %j and says why', (line, why) => {
    expect(decode(line).said).toEqual([{ rejected: expect.any(String), why }]);
  });

  it('takes the beginning of the epoch from an event, not from a line that was damaged', () => {
    const { events } = decode('tick 999999999999 0 0 0\ntick 7000000000 0 0 0 1\n');
    expect(events).toMatchObject([{ kind: 'tick', ts: 0 }]);
  });

  it.each([
    ['an address that would read as NULL', 'evict_end 1 1 1 1 ff00000000000000'],
    ['a time of more than 64 bits', 'evict_end 111111111111111111111 1 1 1 ff48754441aaea00'],
    ['a count that a double does not hold', '@hits[3]: 9007199254740993'],
    ['a count that a double does not hold', 'Lost 9007199254740993 events'],
    ['a frame with too many digits', `        f+${'9'.repeat(190)}`],
  ])('says nothing of %s', (_, line) => {
    const { said, events } = decode(`tick 4259000000000 0 0 0 1\n${line}\n`);
    expect(events).toHaveLength(1);
    expect(said.filter((one) => !('rejected' in (one as object)))).toHaveLength(1);
  });

  it('keeps a byte order mark in a name: it is not the name without it', () => {
    const { events } = decode(`i_callback 1 0 2 2 ff48754441aaea00 0 0 ${words('\ufeffinit')}\n`);
    expect(events).toMatchObject([{ comm: '\ufeffinit' }]);
  });

  it('rejects a line that is too long as a whole, and as one that was cut', () => {
    for (const line of [`@fs[17]: ${'1'.repeat(1100)}`, `        f+${'9'.repeat(1100)}`]) {
      const why = 'longer than any line';
      for (const cuts of [[], [5], [1100]]) {
        expect(decode(`${line}\n`, cuts).said).toEqual([{ rejected: expect.any(String), why }]);
      }
    }
  });

  it('bounds a line without end and goes on after it', () => {
    const { said } = decode(
      `${'a'.repeat(100_000)}\nevict_end 1 1 1 1 ff48754441aaea00\n`,
      [10, 5000, 50_000],
    );
    expect(said).toHaveLength(2);
    expect(said[1]).toMatchObject({ kind: 'evict_end' });
  });
});
