import type { ComponentChildren } from 'preact';

/** Nothing to show: why, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** Before the first answer to a subscription. */
export function Waiting({ what }: { what: string }) {
  return <p class="waiting dim">waiting for {what} …</p>;
}
