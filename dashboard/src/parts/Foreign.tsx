import { visibleLines, visibleParts } from '../format/visible.ts';

/** A name from the traced machine: whatever it contains, it stays one word in its place. */
export function Foreign(props: { text: string; empty?: string; escaped?: boolean }) {
  const { text, empty = '' } = props;
  if (text === '') return <span class="dim">{empty}</span>;
  return (
    <bdi class="foreign">
      {visibleParts(text, props.escaped ? 'keep' : 'double').map((part) =>
        part.escaped ? (
          <span class="escape" title="a character that cannot be shown">
            {part.text}
          </span>
        ) : (
          part.text
        ),
      )}
    </bdi>
  );
}

/** Text of several lines from the server: kept line by line, everything else made visible. */
export function ForeignLines({ text }: { text: string }) {
  return <span class="foreign-lines">{visibleLines(text).join('\n')}</span>;
}
