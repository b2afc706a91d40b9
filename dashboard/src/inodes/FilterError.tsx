import { visibleText } from '../format/visible.ts';
import { store } from '../session.ts';

/** What the server finds wrong with the filter, with a caret under the place. */
export function FilterError({ id, text }: { id: string; text: string }) {
  const error = store.error.value;
  return (
    <div id={id} role="alert">
      {error && error.at !== undefined && (
        <pre class="filter-error">
          {`${
            text.length > FITS
              ? `${text}
`
              : ''
          }${' '.repeat(Math.min(error.at, text.length))}^ ${visibleText(error.message)}`}
        </pre>
      )}
    </div>
  );
}

/** A longer filter scrolls in its field, so the caret needs the text above it once more. */
const FITS = 70;
