import type { InodeState } from '../../../server/protocol/messages.ts';
import { STATE_TEXT } from './words.ts';

/** An inode's state, worded; colour only repeats it. */
export function StateWord({ state }: { state: InodeState }) {
  return (
    <span class={`state state-${state}`} title={STATE_TEXT[state]}>
      {state}
    </span>
  );
}
