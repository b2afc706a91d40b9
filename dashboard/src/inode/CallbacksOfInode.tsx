import type { CallbackRow } from '../../../server/protocol/messages.ts';
import { Callback } from '../parts/Callback.tsx';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';

/** The s_op table of this inode's superblock and which documented combination it is. */
export function CallbacksOfInode({ row }: { row: CallbackRow | null }) {
  return (
    <Panel title="Callbacks of its superblock">
      {row === null ? (
        <p class="dim pad">Not observed on this host.</p>
      ) : (
        <>
          <dl class="facts pad">
            {NAMES.map((name) => (
              <>
                <dt class="mono">{name}</dt>
                <dd>
                  <Callback symbol={row[name]} />
                </dd>
              </>
            ))}
          </dl>
          <p class="pad rule">
            <Foreign text={row.rule} />
          </p>
        </>
      )}
    </Panel>
  );
}

const NAMES = ['drop_inode', 'evict_inode', 'destroy_inode', 'free_inode'] as const;
