import { useLayoutEffect } from 'preact/hooks';

/**
 * Keys of the whole page and of the view that is shown. A view's keys win.
 * Keys typed into a field belong to the field.
 */
export interface KeyBinding {
  /** As `KeyboardEvent.key`, e.g. `j`, `ArrowDown`, `?`. */
  readonly keys: readonly string[];
  readonly help: string;
  readonly run: (event: KeyboardEvent) => void;
}

/** Binds keys while a component is on the page: from the moment that it can be seen. */
export function useKeys(bindings: readonly KeyBinding[]): void {
  useLayoutEffect(() => {
    layers.push(bindings);
    return () => {
      layers.splice(layers.indexOf(bindings), 1);
    };
  });
}

export function startKeyboard(): void {
  addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isField(event.target) || scrolls(event.target, event.key)) return;
    for (const layer of [...layers].reverse()) {
      const binding = layer.find((candidate) => candidate.keys.includes(event.key));
      if (!binding) continue;
      // A focused button or link keeps its own Enter and Space.
      if ((event.key === 'Enter' || event.key === ' ') && isControl(event.target)) return;
      event.preventDefault();
      binding.run(event);
      return;
    }
  });
}

/** Every key that works now, for the help. */
export function activeBindings(): KeyBinding[] {
  const taken = new Set<string>();
  const active: KeyBinding[] = [];
  for (const layer of [...layers].reverse()) {
    const own = layer.map((binding) => ({
      ...binding,
      keys: binding.keys.filter((key) => !taken.has(key)),
    }));
    for (const { keys } of layer) for (const key of keys) taken.add(key);
    active.unshift(...own.filter(({ keys, help }) => keys.length > 0 && help !== ''));
  }
  return active;
}

/** A key as it is printed on the keyboard. */
export function keyName(key: string): string {
  return KEY_NAMES[key] ?? key;
}

const layers: (readonly KeyBinding[])[] = [];

const KEY_NAMES: Readonly<Record<string, string>> = {
  ArrowUp: '↑',
  ArrowDown: '↓',
  ArrowLeft: '←',
  ArrowRight: '→',
  ' ': 'Space',
  PageUp: 'PgUp',
  PageDown: 'PgDn',
  Escape: 'Esc',
};

function isField(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement ||
    (target instanceof HTMLInputElement && target.type !== 'checkbox')
  );
}

/** A focused part that scrolls keeps the keys that scroll it. */
function scrolls(target: EventTarget | null, key: string): boolean {
  return (
    target instanceof HTMLElement &&
    target.matches('.scroll-x, .scroll-y') &&
    /^(Arrow|Home$|End$)/.test(key)
  );
}

function isControl(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLButtonElement ||
    target instanceof HTMLAnchorElement ||
    target instanceof HTMLInputElement ||
    (target instanceof HTMLElement && target.tagName === 'SUMMARY')
  );
}
