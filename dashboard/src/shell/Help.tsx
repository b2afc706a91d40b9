import { useEffect, useRef } from 'preact/hooks';
import { activeBindings, keyName } from '../keyboard.ts';

/** Every key that works in the view behind it. */
export function Help({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={onClose}>
      <h2 id="help-title">Keyboard</h2>
      <ul class="keys">
        {activeBindings().map((binding) => (
          <li key={binding.help}>
            <span class="keys-of">
              {binding.keys.map((key) => (
                <kbd key={key}>{keyName(key)}</kbd>
              ))}
            </span>
            {binding.help}
          </li>
        ))}
      </ul>
      <p class="dim">
        Pause freezes the view, never the health of the tracers at the top. The address of the page
        holds view, filter, order and selection, of a replay also the time: copy it to share what
        you see.
      </p>
      <form method="dialog">
        <button type="submit">close (Esc)</button>
      </form>
    </dialog>
  );
}
