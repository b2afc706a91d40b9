/** The parts of the door: addresses and names, rates, files of tokens and certificates. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { CliError, EXIT } from '../../server/cli/exit.ts';
import { readTokens } from '../../server/cli/token-file.ts';
import { type WebFlags, webSettings } from '../../server/cli/web-options.ts';
import {
  clientOf,
  fromHere,
  inUrl,
  isEveryAddress,
  isLoopback,
  linkHost,
  Names,
} from '../../server/web/addresses.ts';
import { Rates } from '../../server/web/limits.ts';
import { RECORDINGS } from '../fixtures/recordings.ts';
import { lastref, RunningServer } from '../support/cli.ts';
import { ask, type Certificate, makeCertificate } from '../support/sockets.ts';

describe('an address', () => {
  it.each<[string, boolean]>([
    ['127.0.0.1', true],
    ['127.255.255.254', true],
    ['::1', true],
    ['0:0:0:0:0:0:0:1', true],
    ['::ffff:127.0.0.1', true],
    ['126.255.255.255', false],
    ['128.0.0.1', false],
    ['0.0.0.0', false],
    ['::', false],
    ['::2', false],
    ['::ffff:192.0.2.1', false],
    ['10.0.0.1', false],
    ['fe80::1', false],
    ['localhost', false],
    ['127.0.0.1.evil.example', false],
    ['127.1', false],
    ['', false],
  ])('%s is of loopback: %s', (address, loopback) => {
    expect(isLoopback(address)).toBe(loopback);
  });

  it('of IPv4 is of loopback if it begins with 127, and only then', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(isLoopback(address)).toBe(address.startsWith('127.'));
      }),
    );
  });

  it.each<[string, string, boolean, string]>([
    ['127.0.0.1', '127.0.0.1', false, '127.0.0.1'],
    ['192.0.2.1', '192.0.2.1', false, '192.0.2.1'],
    ['2001:DB8:0:0::1', '[2001:db8::1]', false, '[2001:db8::1]'],
    ['fe80::1%eth0', '[fe80::1]', false, '[fe80::1]'],
    ['0.0.0.0', '0.0.0.0', true, '127.0.0.1'],
    ['::', '[::]', true, '[::1]'],
    ['0::0', '[::]', true, '[::1]'],
  ])('%s is %s in a link; every address: %s; from here %s', (address, text, every, here) => {
    expect([inUrl(address), isEveryAddress(address), fromHere(address)]).toEqual([
      text,
      every,
      here,
    ]);
  });

  const outside = (address: string, internal: boolean) => ({
    address,
    internal,
    family: 'IPv4' as const,
    netmask: '',
    mac: '',
    cidr: null,
  });
  const interfaces = { lo: [outside('127.0.0.1', true)], eth0: [outside('192.0.2.7', false)] };

  it.each<[string, string[], string]>([
    ['127.0.0.1', [], '127.0.0.1'],
    ['127.0.0.1', ['box.example'], '127.0.0.1'],
    ['192.0.2.1', [], '192.0.2.1'],
    ['192.0.2.1', ['Box.example', 'other'], 'box.example'],
    ['0.0.0.0', [], '192.0.2.7'],
    ['::', [], '192.0.2.7'],
    ['0.0.0.0', ['box.example'], 'box.example'],
  ])('%s with the names %j has a link to %s', (address, names, host) => {
    expect(linkHost(address, names, interfaces)).toBe(host);
  });

  it('leads to this machine where nothing leads out', () => {
    expect(linkHost('0.0.0.0', [], {})).toBe('127.0.0.1');
  });

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
  ])('%s is the client %s', (address, client) => {
    expect(clientOf(address)).toBe(client);
  });

  it('of one network of IPv6 are one client, of two networks two', () => {
    const groups = (n: number) =>
      fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: n, maxLength: n });
    const text = (parts: number[]) => parts.map((part) => part.toString(16)).join(':');
    fc.assert(
      fc.property(groups(4), groups(4), groups(4), groups(4), (net, other, a, b) => {
        fc.pre(text(net) !== text(other) && ![...net, ...a].slice(0, 5).every((g) => g === 0));
        const client = clientOf(text([...net, ...a]));
        expect(clientOf(text([...net, ...b]))).toBe(client);
        expect(clientOf(text([...other, ...a]))).not.toBe(client);
      }),
    );
  });
});

describe('names', () => {
  it.each<[string | undefined, boolean]>([
    ['box.example', true],
    ['BOX.EXAMPLE:7373', true],
    ['localhost:1', true],
    ['127.0.0.1', true],
    ['[::1]:7373', true],
    ['192.0.2.1:7373', true],
    ['192.0.2.2', false],
    ['evil.example', false],
    ['box.example.evil', false],
    ['box.example:x', false],
    ['', false],
    [undefined, false],
  ])('%s is one of a server at 192.0.2.1: %s', (host, known) => {
    expect(new Names('192.0.2.1', ['box.example']).knows(host, '192.0.2.2')).toBe(known);
  });

  it('are for a server at every address those at which it was reached', () => {
    for (const [address, local] of [
      ['0.0.0.0', '192.0.2.7'],
      ['::', '::ffff:192.0.2.7'],
    ] as const) {
      const names = new Names(address, []);
      expect(names.knows('192.0.2.7:7373', local)).toBe(true);
      expect(names.knows('192.0.2.8:7373', local)).toBe(false);
      expect(names.knows('evil.example', local)).toBe(false);
    }
    expect(new Names('::', []).knows('[2001:db8::7]:1', '2001:db8::7')).toBe(true);
  });
});

describe('rates', () => {
  it('never grant more than the burst and what time has added, and no less', () => {
    const steps = fc.array(fc.nat(2000), { maxLength: 200 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 50 }),
        steps,
        (burst, perS, waits) => {
          const rates = new Rates({ burst, perS });
          let now = 0;
          let granted = 0;
          for (const wait of waits) {
            now += wait;
            const after = rates.take('a', now);
            if (after === 0) granted++;
            else expect(after).toBeLessThanOrEqual(1 / perS + 1e-9);
          }
          expect(granted).toBeLessThanOrEqual(burst + (now / 1000) * perS);
          expect(granted).toBeGreaterThanOrEqual(Math.min(burst, waits.length));
        },
      ),
    );
  });

  it('say how long to wait: then it is granted, and not before', () => {
    const rates = new Rates({ burst: 1, perS: 0.5 });
    expect(rates.take('a', 0)).toBe(0);
    expect(rates.take('a', 500)).toBe(1.5);
    expect(rates.take('a', 1999)).toBeCloseTo(0.001);
    expect(rates.take('a', 2001)).toBe(0);
  });

  it('save nothing up beyond the burst', () => {
    const rates = new Rates({ burst: 3, perS: 100 });
    rates.take('a', 0);
    const granted = Array.from({ length: 10 }, () => rates.take('a', 3_600_000) === 0);
    expect(granted.filter(Boolean)).toHaveLength(3);
  });

  it('are of each client, however many there are', () => {
    const rates = new Rates({ burst: 1, perS: 0.001 });
    expect(rates.take('a', 0)).toBe(0);
    for (let i = 0; i < 9_999; i++) expect(rates.take(`b${i}`, 1)).toBe(0);
    expect(rates.take('a', 2)).toBeGreaterThan(0);
    // the table is bounded: who was quiet longest begins anew
    for (let i = 0; i < 5_000; i++) rates.take(`c${i}`, 3);
    expect(rates.take('a', 4)).toBeGreaterThan(0);
    for (let i = 0; i < 10_000; i++) rates.take(`d${i}`, 5);
    expect(rates.take('a', 6)).toBe(0);
  });
});

const dir = mkdtempSync(join(tmpdir(), 'lastref-door-'));
const FLAGS: WebFlags = {
  port: 0,
  listen: '127.0.0.1',
  insecurePlainText: false,
  allowHost: [],
  viewerLink: false,
};
const errorOf = (work: () => unknown): { code: number; message: string } => {
  try {
    work();
  } catch (error) {
    if (error instanceof CliError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('a file of tokens', () => {
  const [operator, viewer] = ['o'.repeat(22), 'v'.repeat(22)];
  let count = 0;
  const fileOf = (text: string, mode = 0o600) => {
    const file = join(dir, `tokens-${count++}`);
    writeFileSync(file, text, { mode });
    chmodSync(file, mode);
    return file;
  };

  it('is made where there is none, for its owner alone, and read from then on', () => {
    const file = join(dir, 'new-tokens');
    const made = readTokens(file);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(made.operator).toMatch(/^[\w-]{32}$/);
    expect(made.viewer).not.toBe(made.operator);
    expect(readTokens(file)).toEqual(made);
  });

  it('may have comments, and no viewer', () => {
    const file = fileOf(`# of the lab\n\noperator ${operator}\nviewer ${viewer}\n`, 0o400);
    expect(readTokens(file)).toEqual({ operator, viewer });
    const without = readTokens(fileOf(`operator ${operator}`));
    expect(without.viewer).toMatch(/^[\w-]{32}$/);
  });

  it.each([0o640, 0o604, 0o620, 0o601])('of mode %o is refused', (mode) => {
    const file = fileOf(`operator ${operator}\n`, mode);
    expect(errorOf(() => readTokens(file))).toEqual({
      code: EXIT.usage,
      message: expect.stringMatching(/others have access.*mode 6\d\d.*chmod 600/s),
    });
  });

  it('is looked at behind a symbolic link', () => {
    const link = join(dir, 'link');
    symlinkSync(fileOf(`operator ${operator}\n`, 0o644), link);
    expect(errorOf(() => readTokens(link)).message).toMatch(/others have access/);
  });

  it.each<[string, RegExp]>([
    [`operator short`, /:1: a token has 22 to 200 characters/],
    [`operator ${operator}!`, /:1: a token has/],
    [`operator ${operator} more`, /:1: expected: operator TOKEN/],
    [`root ${operator}`, /:1: expected: operator TOKEN, or viewer TOKEN/],
    [`operator ${operator}\noperator ${viewer}`, /:2: a second token of the operator/],
    [`viewer ${viewer}`, /it has no line: operator TOKEN/],
    [``, /it has no line/],
    [`operator ${operator}\nviewer ${operator}`, /the token of the operator/],
    [`#${'x'.repeat(5000)}`, /larger than 4096 bytes/],
  ])('%.40j is refused', (text, message) => {
    const { code, message: said } = errorOf(() => readTokens(fileOf(text)));
    expect([code, said]).toEqual([EXIT.usage, expect.stringMatching(message)]);
    // what is wrong is told, not what is secret
    expect(said).not.toContain(operator);
  });

  it('that is a pipe is refused, and not waited for', async () => {
    const pipe = join(dir, 'pipe');
    execFileSync('mkfifo', ['-m', '600', pipe]);
    const args = ['replay', RECORDINGS.demo!, '--no-open', '--port', '0', '--token-file', pipe];
    const ended = await Promise.race([
      lastref(args),
      new Promise((resolve) => setTimeout(() => resolve('it waits'), 20_000)),
    ]);
    // whoever waits for a writer ends now
    execFileSync('sh', ['-c', ': <> "$0"', pipe]);
    expect(ended).toMatchObject({
      code: EXIT.usage,
      stderr: expect.stringMatching(/regular file/),
    });
  });

  it.each([dir, '/dev/null', join(dir, 'no', 'such')])('%s is refused', (file) => {
    expect(errorOf(() => readTokens(file))).toMatchObject({
      code: EXIT.usage,
      message: expect.stringContaining(file),
    });
  });
});

describe('a certificate', () => {
  let one: Certificate;
  let other: Certificate;
  beforeAll(() => {
    one = makeCertificate('box.example');
    other = makeCertificate('other.example');
  });
  const withTls = (tlsCert?: string, tlsKey?: string) => () =>
    webSettings({
      ...FLAGS,
      ...(tlsCert === undefined ? {} : { tlsCert }),
      ...(tlsKey === undefined ? {} : { tlsKey }),
    });

  it('and its key are taken', () => {
    const { cert, key } = one;
    expect(withTls(one.certFile, one.keyFile)().listen.tls).toEqual({ cert, key });
  });

  it('without the other, missing, of another kind or of another key is refused', () => {
    const junk = join(dir, 'junk');
    writeFileSync(junk, 'junk');
    const cases: [string | undefined, string | undefined, RegExp][] = [
      [one.certFile, undefined, /go together/],
      [undefined, one.keyFile, /go together/],
      [join(dir, 'none'), one.keyFile, /^--tls-cert: ENOENT.*none/],
      [one.certFile, join(dir, 'none'), /^--tls-key: ENOENT.*none/],
      [junk, one.keyFile, /^--tls-cert .*junk: it holds no certificate/],
      [one.keyFile, one.keyFile, /^--tls-cert .*: it holds no certificate/],
      [one.certFile, junk, /^--tls-key .*junk: it holds no private key/],
      [one.certFile, one.certFile, /^--tls-key .*: it holds no private key/],
      [one.certFile, other.keyFile, /^--tls-key .*: it is not the key of the certificate in /],
    ];
    for (const [cert, key, message] of cases) {
      expect(errorOf(withTls(cert, key))).toEqual({
        code: EXIT.usage,
        message: expect.stringMatching(message),
      });
    }
  });
});

describe('the command line', () => {
  it.each<[string[], RegExp]>([
    [['--listen', '0.0.0.0'], /beyond loopback/],
    [['--listen', '::', '--allow-host', 'box'], /beyond loopback/],
    [['--listen', 'box.example'], /expected an IP address/],
    [['--allow-host', 'https://box.example'], /without scheme and port/],
    [['--allow-host', 'box:7373'], /without scheme and port/],
    [['--tls-cert', 'x'], /go together/],
    [['--token-file', '/dev/null'], /not a regular file/],
    [['--port', '65536'], /expected a port/],
    [['--listen', '192.0.2.1', '--insecure-plain-text'], /no such address/],
  ])('%j is bad usage', async (args, message) => {
    const { code, stderr } = await lastref([
      'replay',
      RECORDINGS.demo!,
      '--no-open',
      '--port',
      '0',
      ...args,
    ]);
    expect([code, stderr]).toEqual([EXIT.usage, expect.stringMatching(message)]);
    expect(stderr).not.toContain('bug in lastref');
  });

  it('serves over TLS with tokens of a file, and `report` finds it', async () => {
    const { certFile, keyFile, cert } = makeCertificate('box.example');
    const tokens = join(dir, 'cli-tokens');
    const home = mkdtempSync(join(tmpdir(), 'lastref-home-'));
    vi.stubEnv('XDG_RUNTIME_DIR', home);
    const server = new RunningServer([
      'replay',
      RECORDINGS.demo!,
      ...['--no-open', '--port', '0', '--speed', 'max', '--viewer-link'],
      ...['--tls-cert', certFile, '--tls-key', keyFile, '--token-file', tokens],
    ]);
    try {
      await expect.poll(() => server.stdout, { timeout: 20_000 }).toMatch(/looking only.*\n/);
      const [operator, viewer] = server.stdout.match(/https:\S+/g)!.map((link) => new URL(link));
      const read = (url: URL) => url.searchParams.get('token');
      expect(readFileSync(tokens, 'utf8')).toBe(
        `operator ${read(operator!)}\nviewer ${read(viewer!)}\n`,
      );
      const answer = await ask(`${viewer!.origin}/api/report`, {
        ca: cert,
        headers: { Authorization: `Bearer ${read(viewer!)}` },
      });
      expect(answer.status).toBe(200);
      const report = await lastref(['report', '--json', '--port', operator!.port]);
      expect(report).toMatchObject({ code: EXIT.good, stderr: '' });
      expect(JSON.parse(report.stdout)).toMatchObject({ format: 1 });
      const commandLine = readFileSync(`/proc/${server.child.pid}/cmdline`, 'utf8');
      expect(commandLine).not.toContain(read(operator!));
      const word = join(home, 'lastref', `server-${operator!.port}.json`);
      expect(statSync(word).mode & 0o777).toBe(0o600);
    } finally {
      await server.stop();
      vi.unstubAllEnvs();
    }
  });
});
