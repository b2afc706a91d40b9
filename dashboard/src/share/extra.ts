import type { TextPart } from './plainText.ts';

/** What a view has to say in text beyond what stands on the page: a picture's content. */
let extra: (() => TextPart) | null = null;

/** Gives what takes it back. */
export function sayAlso(part: () => TextPart): () => void {
  extra = part;
  return () => {
    if (extra === part) extra = null;
  };
}

export function saidAlso(): readonly TextPart[] {
  return extra === null ? [] : [extra()];
}
