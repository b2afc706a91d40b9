/** What can only be told by a version: of bpftrace, or of a kernel where its types say nothing. */

/** bpftrace has one ring buffer for all CPUs since 0.19, one perf buffer for each before. */
export function hasRingBuffer(version: string): boolean {
  return isBpftrace(version, 19);
}

/** bpftrace has offsetof() since 0.19. */
export function hasOffsetof(version: string): boolean {
  return isBpftrace(version, 19);
}

/**
 * Raw tracepoints by their name alone: 0.17 knows none, and 0.21 is the first to have room for
 * what is kept of an inode.
 */
export function hasRawTracepoints(version: string): boolean {
  return isBpftrace(version, 21);
}

/** Since 0.22 it can be said what goes on the stack; up to 0.20 all does. */
export function hasStackLimit(version: string): boolean {
  return isBpftrace(version, 22);
}

/** Whether a version `0.23.2` is at least 0.MINOR. */
export function isBpftrace(version: string, minor: number): boolean {
  const [major, own] = version.split('.').map(Number) as [number, number];
  return major > 0 || own >= minor;
}

/** Whether `a.b` of a release is at least the given one: `6.12.117+deb13` is at least 6.7. */
export function isAtLeast(release: string, major: number, minor: number): boolean {
  const [, a, b] = /^(\d+)\.(\d+)/.exec(release) ?? ['', '0', '0'];
  return Number(a) > major || (Number(a) === major && Number(b) >= minor);
}
