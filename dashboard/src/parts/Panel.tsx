import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

/** A titled part of a view; `side` stands at the right end of the title. */
export function Panel(props: {
  title: string;
  side?: ComponentChildren;
  class?: string;
  children: ComponentChildren;
}) {
  const id = useId();
  return (
    <section class={`panel ${props.class ?? ''}`} aria-labelledby={id}>
      <header class="panel-head">
        <h2 id={id}>{props.title}</h2>
        <div class="panel-side">{props.side}</div>
      </header>
      {props.children}
    </section>
  );
}
