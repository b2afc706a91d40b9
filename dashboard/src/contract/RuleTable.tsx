import type { ContractView, RuleRow } from '../../../server/protocol/messages.ts';
import { formatCount, plural } from '../format/number.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';

/** Each rule, how often it was checked and what came of it, or why it cannot be checked. */
export function RuleTable({ contract }: { contract: ContractView }) {
  const checkable = contract.rules.filter((rule) => rule.not_checkable === null).length;
  return (
    <Panel
      title="Rules"
      side={
        <span class="dim">
          {checkable} of {plural(contract.rules.length, 'rule')} can be checked here
        </span>
      }
    >
      <Scroll label="Rules, table" tall>
        <table class="data rules">
          <thead>
            <tr>
              <th scope="col">rule</th>
              <th scope="col">name</th>
              <th scope="col">statement</th>
              <th scope="col" class="num">
                checked
              </th>
              <th scope="col" class="num">
                broken
              </th>
              <th scope="col" class="num">
                suspected
              </th>
            </tr>
          </thead>
          <tbody>
            {contract.rules.map((rule) => (
              <Row key={rule.rule} rule={rule} />
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

function Row({ rule }: { rule: RuleRow }) {
  return (
    <tr class={rule.broken > 0 ? 'row-owed' : ''}>
      <th scope="row" class="mono">
        {rule.rule}
      </th>
      <td>{rule.name}</td>
      <td class="wrap" title={`tried on Linux: ${rule.kernels}`}>
        {rule.statement} <span class="dim source">{rule.source}</span>
      </td>
      {rule.not_checkable === null ? (
        <Counts rule={rule} />
      ) : (
        <td colSpan={3} class="why">
          not checkable here: <Foreign text={rule.not_checkable} />
        </td>
      )}
    </tr>
  );
}

function Counts({ rule }: { rule: RuleRow }) {
  return (
    <>
      <td class={rule.checked === 0 ? 'num dim' : 'num'}>{formatCount(rule.checked)}</td>
      <td class={rule.broken > 0 ? 'num tone-bad' : 'num dim'}>{formatCount(rule.broken)}</td>
      <td
        class={rule.suspected > 0 ? 'num tone-warn' : 'num dim'}
        title={
          rule.withdrawn > 0
            ? `${formatCount(rule.withdrawn)} more were suspected until a late line came`
            : ''
        }
      >
        {formatCount(rule.suspected)}
      </td>
    </>
  );
}
