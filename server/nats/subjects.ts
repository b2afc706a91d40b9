/**
 * Names on the broker. Of each host there are two kinds of subjects, both in one stream:
 *
 *   lastref.trace.HOST.epoch.SESSION.NUMBER   where an epoch begins, and where it can be entered
 *   lastref.trace.HOST.data                   chunks of frames, and how tracing goes
 *
 * so that one filter gives all of a host in its order, and the beginning of an epoch is
 * found without reading what lies before it.
 */

export const STREAM = 'LASTREF';
export const SUBJECTS = 'lastref.trace.>';
const PREFIX = 'lastref.trace.';
export const EPOCH_SUBJECTS = `${PREFIX}*.epoch.>`;

/** Buckets: who serves; which host is whose; which alerts were told. */
export const SERVERS_BUCKET = 'lastref-servers';
export const HOSTS_BUCKET = 'lastref-hosts';
export const TOLD_BUCKET = 'lastref-told';

/** Bytes of a host's name in UTF-8; a subject has room for three characters of each. */
export const MAX_HOST = 255;

/** A host's name as one token of a subject or key: what is not a letter, digit, _ or - as =XX. */
export function tokenOf(host: string): string {
  return Buffer.from(host).reduce((token, byte) => {
    const char = String.fromCharCode(byte);
    return token + (/[A-Za-z0-9_-]/.test(char) ? char : `=${byte.toString(16).padStart(2, '0')}`);
  }, '');
}

/** Null where it is none that tokenOf() makes. */
export function hostOf(token: string): string | null {
  if (!/^(?:[A-Za-z0-9_-]|=[0-9a-f]{2})+$/.test(token)) return null;
  const bytes = token.match(/=..|./g)!.map((part) => {
    return part.length === 1 ? part.charCodeAt(0) : Number.parseInt(part.slice(1), 16);
  });
  const host = Buffer.from(bytes).toString('utf8');
  return tokenOf(host) === token ? host : null;
}

export function dataSubject(host: string): string {
  return `${PREFIX}${tokenOf(host)}.data`;
}

export function epochSubject(host: string, session: string, epoch: number): string {
  return `${PREFIX}${tokenOf(host)}.epoch.${session}.${epoch}`;
}

/** All of one host. */
export function hostSubjects(host: string): string {
  return `${PREFIX}${tokenOf(host)}.>`;
}

/** Every epoch of one host. */
export function hostEpochSubjects(host: string): string {
  return `${PREFIX}${tokenOf(host)}.epoch.>`;
}

/** Whose subject it is; null for none of ours. */
export function hostOfSubject(subject: string): string | null {
  if (!subject.startsWith(PREFIX)) return null;
  const token = subject.slice(PREFIX.length).split('.')[0]!;
  return hostOf(token);
}
