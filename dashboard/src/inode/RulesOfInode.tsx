import type { InodeRule } from '../../../server/protocol/messages.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { linkTo } from '../session.ts';

/** The contract on this inode: what it broke first, then what it kept, then what nobody could tell. */
export function RulesOfInode({ rules }: { rules: readonly InodeRule[] }) {
  const by = (verdict: InodeRule['verdict']) => rules.filter((rule) => rule.verdict === verdict);
  const [broken, suspected, held, unknown] = [
    by('broken'),
    by('suspected'),
    by('held'),
    by('unknown'),
  ];
  return (
    <Panel
      title="Contract"
      side={
        <span class={broken.length > 0 ? 'tone-bad' : suspected.length > 0 ? 'tone-warn' : 'dim'}>
          {broken.length > 0
            ? `${broken.length} broken`
            : suspected.length > 0
              ? `${suspected.length} suspected`
              : `${held.length} kept`}
        </span>
      }
    >
      {held.length + broken.length + suspected.length === 0 ? (
        <p class="pad dim">No rule has been checked on it yet.</p>
      ) : (
        <ul class="inode-rules">
          {[...broken, ...suspected, ...held].map((rule) => (
            <li key={rule.rule} title={rule.statement}>
              <Verdict rule={rule} />
              <span class="mono">{rule.rule}</span>
              <span>{rule.name}</span>
            </li>
          ))}
        </ul>
      )}
      {unknown.length > 0 && (
        <details class="pad">
          <summary class="dim">
            not checked on it: {unknown.map((rule) => rule.rule).join(', ')}
          </summary>
          <ul class="pad">
            {unknown.map((rule) => (
              <li key={rule.rule} title={rule.statement}>
                <span class="mono">{rule.rule}</span> {rule.name}{' '}
                <span class="dim">
                  <Foreign text={rule.why} />
                </span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </Panel>
  );
}

function Verdict({ rule }: { rule: InodeRule }) {
  if (rule.verdict === 'held') return <span class="verdict tone-good">kept</span>;
  const tone = rule.verdict === 'broken' ? 'tone-bad' : 'tone-warn';
  if (rule.finding === '') return <span class={`verdict ${tone}`}>{rule.verdict}</span>;
  return (
    <a
      class={`verdict ${tone}`}
      href={linkTo({ view: 'contract', finding: rule.finding })}
      title="the lines that show it"
    >
      {rule.verdict}
    </a>
  );
}
