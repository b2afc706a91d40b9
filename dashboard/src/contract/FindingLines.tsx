import type { FindingDetail } from '../../../server/protocol/messages.ts';
import { formatClockMs } from '../format/clock.ts';
import { plural } from '../format/number.ts';
import { CopyButton } from '../parts/CopyButton.tsx';
import { Foreign } from '../parts/Foreign.tsx';
import { LineTable } from '../parts/LineTable.tsx';
import { Panel } from '../parts/Panel.tsx';
import { go, route, store } from '../session.ts';
import { InodeLink } from './FindingList.tsx';
import { findingAsText } from './findingAsText.ts';

/** The chosen finding: the rule, where the kernel says so, and the lines that show it. */
export function FindingLines() {
  const finding = store.finding.value;
  if (finding === undefined) return null;
  if (finding === null) {
    return (
      <Panel title={`Finding ${route.value.finding}`} side={<Close />}>
        <p class="pad dim">
          It is not known: it was withdrawn when a late line came, or the link is from another
          session.
        </p>
      </Panel>
    );
  }
  const { row } = finding;
  return (
    <Panel title={`${row.rule} ${row.name}: the lines that show it`} side={<Side of={finding} />}>
      <dl class="finding-facts">
        <div>
          <dt>promised</dt>
          <dd>
            {finding.statement} <span class="dim source">{finding.source}</span>
          </dd>
        </div>
        <div>
          <dt>seen</dt>
          <dd class={row.verdict === 'certain' ? 'tone-bad' : 'tone-warn'}>
            {row.what !== '' && (
              <span class="mono">
                <Foreign text={row.what} />:{' '}
              </span>
            )}
            <Foreign text={row.sentence} />
          </dd>
        </div>
        {row.fs !== '' && (
          <div>
            <dt>inode</dt>
            <dd class="mono">
              <InodeLink finding={row} /> <span class="dim">dev {row.dev}</span>
            </dd>
          </div>
        )}
        <div>
          <dt>at</dt>
          <dd class="mono">
            {formatClockMs(row.at_ms)}{' '}
            <span class="dim">
              on <Foreign text={row.host} />
            </span>
          </dd>
        </div>
      </dl>
      <LineTable label="Lines of the finding" since="since the first" lines={finding.lines} />
      {finding.lines_more > 0 && (
        <p class="pad dim">{plural(finding.lines_more, 'line')} in the middle not kept.</p>
      )}
    </Panel>
  );
}

function Side({ of }: { of: FindingDetail }) {
  return (
    <>
      <CopyButton
        label="copy as text"
        text={() =>
          findingAsText(
            of,
            store.hosts.value.find((h) => h.host === of.row.host),
          )
        }
      />
      <Close />
    </>
  );
}

function Close() {
  return (
    <button type="button" class="quiet" onClick={() => go({ finding: '' })}>
      close (Esc)
    </button>
  );
}
