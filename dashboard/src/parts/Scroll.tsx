import type { ComponentChildren } from 'preact';

/** A part that scrolls by itself; it takes the focus so that arrow keys can scroll it. */
export function Scroll(props: { label: string; tall?: boolean; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class={props.tall ? 'scroll-x' : 'scroll-y'} aria-label={props.label} tabIndex={0}>
      {props.children}
    </section>
  );
}
