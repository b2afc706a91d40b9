import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { go, route, store } from '../session.ts';
import { applyOption, complete, type Option } from './completion.ts';
import { FilterError } from './FilterError.tsx';

/** The filter expression: the server judges it, the page helps to type it. */
export function FilterBox({ id }: { id: string }) {
  const input = useRef<HTMLInputElement>(null);
  const text = useSignal(route.value.filter);
  const caret = useSignal(0);
  const open = useSignal(false);
  const active = useSignal(-1);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const routed = route.value.filter;
  // Only a filter from elsewhere (a link, a preset) replaces what is typed.
  useEffect(() => {
    if (document.activeElement !== input.current) text.value = routed;
  }, [routed]);

  const completion = complete(text.value, caret.value, knownValues());
  const shown = open.value && completion.options.length > 0;

  const commit = (value: string, wait: number) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => go({ filter: value.trim() }), wait);
  };
  const take = (option: Option) => {
    const done = applyOption(text.value, completion, option);
    text.value = done.text;
    caret.value = done.caret;
    active.value = -1;
    commit(done.text, 250);
    requestAnimationFrame(() => {
      input.current?.focus();
      input.current?.setSelectionRange(done.caret, done.caret);
    });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const { options } = completion;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      open.value = true;
      const step = event.key === 'ArrowDown' ? 1 : -1;
      const count = options.length + 1;
      active.value = ((active.value + 1 + step + count) % count) - 1;
    } else if (event.key === 'Enter') {
      const option = shown ? options[active.value] : undefined;
      if (option) take(option);
      else {
        open.value = false;
        commit(text.value, 0);
      }
    } else if (event.key === 'Escape') {
      if (open.value) open.value = false;
      else input.current?.blur();
    }
  };
  const listId = `${id}-options`;
  return (
    <div class="filter">
      <label for={id}>filter</label>
      <div class="filter-field">
        <input
          ref={input}
          id={id}
          type="text"
          role="combobox"
          autocomplete="off"
          spellcheck={false}
          maxLength={1000}
          placeholder="fs:hugetlbfs pages>0 state:grace comm:qemu* evict>1ms"
          value={text.value}
          aria-expanded={shown}
          aria-controls={listId}
          aria-autocomplete="list"
          aria-invalid={store.error.value?.at !== undefined}
          aria-describedby={`${id}-error`}
          aria-activedescendant={
            shown && active.value >= 0 ? `${listId}-${active.value}` : undefined
          }
          onInput={(event) => {
            text.value = event.currentTarget.value;
            caret.value = event.currentTarget.selectionStart ?? text.value.length;
            open.value = true;
            active.value = -1;
            // What was wrong with the last expression says nothing about this one.
            store.error.value = null;
            commit(text.value, 250);
          }}
          onSelect={(event) => {
            caret.value = event.currentTarget.selectionStart ?? 0;
          }}
          onBlur={() => {
            open.value = false;
          }}
          onKeyDown={onKeyDown}
        />
        <div id={listId} role="listbox" aria-label="Completions" class="options" hidden={!shown}>
          {shown &&
            completion.options.map((option, index) => (
              // biome-ignore lint/a11y/useFocusableInteractive: the input keeps the focus, aria-activedescendant points here
              // biome-ignore lint/a11y/useKeyWithClickEvents: keys are handled by the input
              <div
                key={option.insert}
                id={`${listId}-${index}`}
                role="option"
                aria-selected={index === active.value}
                class={index === active.value ? 'option is-active' : 'option'}
                onPointerDown={(event) => event.preventDefault()}
                onClick={() => take(option)}
              >
                <b>{option.insert}</b> <span class="dim">{option.help}</span>
              </div>
            ))}
        </div>
        <FilterError id={`${id}-error`} text={route.value.filter} />
      </div>
    </div>
  );
}

function knownValues() {
  const fs = new Set(store.hosts.value.flatMap((host) => host.fs));
  const comm = new Set<string>();
  for (const row of store.inodes.value?.rows ?? []) comm.add(row.comm);
  const host = store.hosts.value.map((one) => one.host);
  return { fs: [...fs], comm: [...comm], host };
}
