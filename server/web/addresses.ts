/** Where the server listens, and the names under which it may be spoken to. */
import { BlockList, isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Names of loopback; the port is free, for ssh -L. */
const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];

/** Whether only this machine reaches the address. Anything but an IP address is none of loopback. */
export function isLoopback(address: string): boolean {
  const version = isIP(address);
  return version !== 0 && LOOPBACK.check(address, version === 6 ? 'ipv6' : 'ipv4');
}

/** Whether it stands for every address of the machine. */
export function isEveryAddress(address: string): boolean {
  return isIP(address) !== 0 && ['0.0.0.0', '[::]'].includes(inUrl(address));
}

/** As it stands in a link and in the header Host: `192.0.2.1`, `[2001:db8::1]`, `box`. */
export function inUrl(address: string): string {
  return isIPv6(address)
    ? new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname
    : address.toLowerCase();
}

/** Where whoever is on this machine reaches a server that listens there. */
export function fromHere(address: string): string {
  if (!isEveryAddress(address)) return inUrl(address);
  return isIPv6(address) ? '[::1]' : '127.0.0.1';
}

/**
 * What stands in the printed link: the first name that was given, where it is not only
 * this machine that may look; else the address, and for all of them the first that
 * leads out.
 */
export function linkHost(
  address: string,
  names: readonly string[],
  interfaces = networkInterfaces(),
): string {
  const [name] = names;
  if (name !== undefined && !isLoopback(address)) return inUrl(name);
  if (!isEveryAddress(address)) return inUrl(address);
  const outside = Object.values(interfaces)
    .flatMap((all) => all ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4');
  return outside?.address ?? fromHere(address);
}

/**
 * DNS rebinding: a name that is not ours means that another site's page is asking.
 * `local` is the address at which the connection arrived: where the server listens on
 * all of them, it may be spoken to by that.
 */
export class Names {
  readonly #known: ReadonlySet<string>;
  readonly #every: boolean;

  constructor(address: string, names: readonly string[]) {
    this.#known = new Set([...LOOPBACK_NAMES, ...[address, ...names].map(inUrl)]);
    this.#every = isEveryAddress(address);
  }

  /** `host`: the header. */
  knows(host: string | undefined, local: string | undefined): boolean {
    const name = nameOf(host);
    if (this.#known.has(name)) return true;
    return this.#every && local !== undefined && name === inUrl(plainAddress(local));
  }
}

/** The header Host without its port. */
export function nameOf(host: string | undefined): string {
  return (host ?? '').toLowerCase().replace(/:\d+$/, '');
}

export function isLoopbackName(host: string | undefined): boolean {
  return LOOPBACK_NAMES.includes(nameOf(host));
}

/** `::ffff:192.0.2.1`, as a socket for both versions has it, is `192.0.2.1`. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/**
 * Whose requests are counted together: an IPv4 address, and of IPv6 the 64 bits of a
 * network, since whoever has one has all its addresses.
 */
export function clientOf(address: string | undefined): string {
  const plain = plainAddress(address ?? '');
  if (!isIPv6(plain)) return plain;
  const [head = '', tail = ''] = inUrl(plain).slice(1, -1).split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const [before, after] = [groups(head), groups(tail)];
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  return `${[...before, ...zeros, ...after].slice(0, 4).join(':')}::/64`;
}
