import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { useKeys } from '../keyboard.ts';
import { putOnClipboard } from '../parts/CopyButton.tsx';
import { formatRoute } from '../route.ts';
import { route } from '../session.ts';
import { saidAlso } from './extra.ts';
import { pictureOf } from './picture.ts';
import { asText } from './plainText.ts';
import { headLines, readView } from './readView.ts';

/** What is on the page, to be given to others: a link, text for a mail, a picture. */
export function ShareMenu() {
  const open = useSignal(false);
  const said = useSignal('');
  const menu = useRef<HTMLDivElement>(null);
  const run = async (share: () => Promise<string>) => {
    open.value = false;
    said.value = await share().catch((error: Error) => `could not: ${error.message}`);
    setTimeout(() => {
      said.value = '';
    }, 4000);
  };
  useKeys([
    { keys: ['y'], help: 'copy this view as text, 80 columns', run: () => run(copyText) },
    { keys: ['Y'], help: 'copy the link to what is shown', run: () => run(copyLink) },
    { keys: ['P'], help: 'save this view as a PNG', run: () => run(savePicture) },
  ]);
  useEffect(() => {
    if (!open.value) return;
    const close = (event: Event) => {
      const inside = menu.current?.contains(event.target as Node) ?? false;
      if (!inside || (event instanceof KeyboardEvent && event.key === 'Escape')) open.value = false;
    };
    addEventListener('pointerdown', close);
    addEventListener('keydown', close, true);
    return () => {
      removeEventListener('pointerdown', close);
      removeEventListener('keydown', close, true);
    };
  }, [open.value]);
  return (
    <div class="share" ref={menu}>
      <button
        type="button"
        class="quiet"
        aria-expanded={open.value}
        onClick={() => {
          open.value = !open.value;
        }}
      >
        share
      </button>
      {open.value && (
        <div class="share-menu">
          <button type="button" onClick={() => run(copyText)}>
            copy as text <kbd>y</kbd>
          </button>
          <button type="button" onClick={() => run(copyLink)}>
            copy link <kbd>Y</kbd>
          </button>
          <button type="button" onClick={() => run(savePicture)}>
            save as PNG <kbd>P</kbd>
          </button>
          <button
            type="button"
            onClick={() => {
              open.value = false;
              print();
            }}
          >
            print
          </button>
        </div>
      )}
      <span role="status" class="said">
        {said.value}
      </span>
    </div>
  );
}

function view(): HTMLElement {
  return document.getElementById('main')!;
}

async function copyText(): Promise<string> {
  const done = await putOnClipboard(asText(headLines(), [...readView(view()), ...saidAlso()]));
  return done ? 'text copied' : 'the browser does not let this page copy';
}

/** Without the token: whoever opens it needs a link of their own, or a session in this browser. */
async function copyLink(): Promise<string> {
  const link = new URL(formatRoute(route.peek()), location.href);
  link.search = '';
  const done = await putOnClipboard(String(link));
  return done ? 'link copied, without the token' : 'the browser does not let this page copy';
}

async function savePicture(): Promise<string> {
  // where tables are said apart, they are in the picture as they are in the text
  const apart = view().querySelector('[data-apart]') === null ? [] : saidAlso();
  const parts = [...readView(view()), ...apart.map((part) => ({ ...part, pictures: [] }))];
  const blob = await pictureOf(headLines(), parts);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = `lastref-${route.peek().view}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  return `saved ${link.download}`;
}
