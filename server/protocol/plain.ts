/**
 * Text with names of a traced host in it, for a terminal, a mail or a pager. A
 * process may call itself anything: no control character, no mark that reorders
 * what stands around it, leaves here as it came.
 */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]/gu;

export function plain(text: string): string {
  return text.replace(HIDDEN, (c) => {
    const code = c.codePointAt(0)!;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** JSON that a terminal may be shown: the same data, with what `plain` hides as escapes of JSON. */
export function escapeHidden(json: string): string {
  const hex = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return json.replace(HIDDEN, (c) => c.split('').map(hex).join(''));
}
