import { computed, effect, signal } from '@preact/signals';
import { drawNow } from './frame.ts';

/** What the reader chose; `system` follows the machine. Kept in this browser. */
export const themeChoice = signal<ThemeChoice>(stored());
export type ThemeChoice = 'system' | 'dark' | 'light';

const prefersLight = globalThis.matchMedia?.('(prefers-color-scheme: light)');
const systemLight = signal(prefersLight?.matches ?? false);

/** While it is printed. */
const onPaper = signal(false);

/** The theme in force. Canvases draw again when it changes. */
export const theme = computed<'dark' | 'light'>(() => {
  if (onPaper.value) return 'light';
  if (themeChoice.value !== 'system') return themeChoice.value;
  return systemLight.value ? 'light' : 'dark';
});

export function nextTheme(): void {
  const order: ThemeChoice[] = ['system', 'dark', 'light'];
  themeChoice.value = order[(order.indexOf(themeChoice.value) + 1) % order.length] ?? 'system';
}

/** Keeps the document in step; paper is always light. */
export function startTheme(): void {
  prefersLight?.addEventListener('change', (event) => {
    systemLight.value = event.matches;
  });
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
    localStorage.setItem('lastref.theme', themeChoice.value);
  });
  // a browser prints at once: what is drawn in the next frame would come too late
  addEventListener('beforeprint', () => {
    onPaper.value = true;
    drawNow();
  });
  addEventListener('afterprint', () => {
    onPaper.value = false;
  });
}

/** A colour of the style sheet by its custom property, for canvases, always as `#rrggbb`. */
export function cssColour(name: string): string {
  const colour = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Minifiers shorten #aabbcc to #abc.
  return colour.length === 4 ? colour.replace(/[0-9a-f]/gi, '$&$&') : colour;
}

function stored(): ThemeChoice {
  const value = globalThis.localStorage?.getItem('lastref.theme');
  return value === 'dark' || value === 'light' ? value : 'system';
}
