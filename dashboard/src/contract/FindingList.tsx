import type { ContractView, FindingRow } from '../../../server/protocol/messages.ts';
import { formatClockMs } from '../format/clock.ts';
import { formatCount, plural } from '../format/number.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { go, linkTo, route, store } from '../session.ts';

/** Every breach that is kept, certain ones first: what was seen, what was expected. */
export function FindingList({ contract }: { contract: ContractView }) {
  const { findings, dropped } = contract;
  const manyHosts = store.hosts.value.length > 1;
  return (
    <Panel title="Findings" side={<Summary contract={contract} />}>
      {findings.length === 0 ? (
        <p class="pad dim">None: what could be checked so far was kept.</p>
      ) : (
        <Scroll label="Findings, table">
          <table class="data findings">
            <thead>
              <tr>
                <th scope="col">rule</th>
                <th scope="col">verdict</th>
                <th scope="col">at</th>
                {manyHosts && <th scope="col">host</th>}
                <th scope="col">inode</th>
                <th scope="col">what was seen, and what was expected</th>
              </tr>
            </thead>
            <tbody>
              {findings.map((finding) => (
                <Row key={finding.id} finding={finding} withHost={manyHosts} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {dropped > 0 && (
        <p class="pad dim">
          {formatCount(dropped)} more are counted below; of each rule and verdict the first 20 are
          kept.
        </p>
      )}
    </Panel>
  );
}

function Summary({ contract }: { contract: ContractView }) {
  const sum = (of: 'broken' | 'suspected' | 'checked') =>
    contract.rules.reduce((total, rule) => total + rule[of], 0);
  const [broken, suspected] = [sum('broken'), sum('suspected')];
  return (
    <span>
      <b class={broken > 0 ? 'tone-bad' : 'dim'}>{formatCount(broken)} broken</b>
      <span class="dim"> · </span>
      <span class={suspected > 0 ? 'tone-warn' : 'dim'}>{formatCount(suspected)} suspected</span>
      <span class="dim"> · {plural(sum('checked'), 'check')}</span>
    </span>
  );
}

function Row({ finding, withHost }: { finding: FindingRow; withHost: boolean }) {
  const open = route.value.finding === finding.id;
  const certain = finding.verdict === 'certain';
  return (
    <tr id={`finding-${finding.id}`} class={open ? 'is-open' : ''}>
      <th scope="row" class="mono">
        <button
          type="button"
          class="quiet"
          aria-expanded={open}
          title={finding.name}
          onClick={() => go({ finding: open ? '' : finding.id })}
        >
          {finding.rule}
        </button>
      </th>
      <td class={certain ? 'tone-bad' : 'tone-warn'}>{certain ? 'broken' : 'suspected'}</td>
      <td class="mono">{formatClockMs(finding.at_ms)}</td>
      {withHost && (
        <td class="mono">
          <Foreign text={finding.host} />
        </td>
      )}
      <td class="mono">
        <InodeLink finding={finding} />
      </td>
      <td class="wrap">
        {finding.what !== '' && (
          <span class="mono">
            <Foreign text={finding.what} />:{' '}
          </span>
        )}
        <Foreign text={finding.sentence} />
      </td>
    </tr>
  );
}

/** The inode, as a link while it is kept. */
export function InodeLink({ finding }: { finding: FindingRow }) {
  if (finding.fs === '') return <span class="dim">–</span>;
  const name = (
    <>
      <Foreign text={finding.fs} /> {finding.ino}
    </>
  );
  if (finding.inode === '') return <span title="no longer kept">{name}</span>;
  return <a href={linkTo({ view: 'inode', inode: finding.inode })}>{name}</a>;
}
