import type { Ledger } from '../../../server/protocol/hosts.ts';
import { addLedgers } from '../../../server/protocol/hosts.ts';
import type { ProbeLedger } from '../../../server/protocol/messages.ts';
import { formatCount } from '../format/number.ts';
import { Empty } from '../parts/Empty.tsx';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { sumOf } from '../shell/ledgerText.ts';

/** For each probe: hits in the kernel, and what became of every one of them. The columns add up, visibly. */
export function LedgerTable({ probes }: { probes: readonly ProbeLedger[] }) {
  const total = addLedgers(probes);
  const manyHosts = probes.some(({ host }) => host !== probes[0]!.host);
  return (
    <Panel title="Ledger" side={<Verdict ledger={total} />}>
      {probes.length === 0 ? (
        <Empty title="No probe is attached yet." />
      ) : (
        <Scroll label="Ledger, table" tall>
          <table class="data ledger">
            <thead>
              <tr>
                {manyHosts && <th scope="col">host</th>}
                <th scope="col">stage</th>
                <th scope="col">probe</th>
                {TERMS.map((term) => (
                  <>
                    <td class="sign">{term.sign}</td>
                    <th key={term.key} scope="col" class="num" title={term.help}>
                      {term.title}
                    </th>
                  </>
                ))}
                <th scope="col">adds up</th>
              </tr>
            </thead>
            <tbody>
              {probes.map((probe) => (
                <tr key={`${probe.host} ${probe.probe} ${probe.stage}`}>
                  {manyHosts && (
                    <td class="mono">
                      <Foreign text={probe.host} />
                    </td>
                  )}
                  <th scope="row" class="mono">
                    {probe.stage}
                  </th>
                  <td class="mono dim probe">
                    <Probe text={probe.probe} />
                  </td>
                  <Terms ledger={probe} />
                </tr>
              ))}
            </tbody>
            <tfoot>
              <tr>
                <th scope="row" colSpan={manyHosts ? 3 : 2}>
                  all probes
                </th>
                <Terms ledger={total} />
              </tr>
            </tfoot>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}

/** May break after a colon, where a long probe name has its joints. */
function Probe({ text }: { text: string }) {
  return (
    <>
      {text.split(/(?<=:)/).map((part) => (
        <>
          <Foreign text={part} />
          <wbr />
        </>
      ))}
    </>
  );
}

type Term = {
  key: Exclude<keyof Ledger, 'balanced'>;
  title: string;
  sign: string;
  help: string;
  loss?: true;
};
const TERMS: readonly Term[] = [
  { key: 'kernel_hits', title: 'kernel hits', sign: '', help: 'how often the kernel function ran' },
  { key: 'decoded', title: 'decoded', sign: '=', help: 'lines that became events' },
  {
    key: 'not_run',
    title: 'not run',
    sign: '+',
    help: 'another tracing program was active on that CPU, so ours was skipped (recursion_misses)',
    loss: true,
  },
  { key: 'map_full', title: 'map full', sign: '+', help: 'a BPF map had no room', loss: true },
  {
    key: 'ring_buffer',
    title: 'ring buffer',
    sign: '+',
    help: 'bpftrace could not keep up',
    loss: true,
  },
  {
    key: 'rejected',
    title: 'rejected',
    sign: '+',
    help: 'lines that could not be decoded',
    loss: true,
  },
  {
    key: 'in_flight',
    title: 'in flight',
    sign: '+',
    help: 'counted, but the line has not arrived yet',
  },
];

function Terms({ ledger }: { ledger: Ledger }) {
  return (
    <>
      {TERMS.map((term) => {
        const value = ledger[term.key];
        const lost = term.loss && (value ?? 0) > 0;
        const quiet = value === 0 && term.key !== 'kernel_hits' && term.key !== 'decoded';
        return (
          <>
            <td class="sign">{term.sign}</td>
            <td key={term.key} class={`num ${lost ? 'tone-warn' : quiet ? 'dim' : ''}`}>
              {value === null ? (
                <span title="this kernel does not tell">not told</span>
              ) : (
                formatCount(value)
              )}
            </td>
          </>
        );
      })}
      <td>
        <Verdict ledger={ledger} />
      </td>
    </>
  );
}

function Verdict({ ledger }: { ledger: Ledger }) {
  const missing = ledger.kernel_hits - sumOf(ledger);
  if (ledger.balanced)
    return (
      <span class="tone-good">
        ✓<span class="visually-hidden"> exactly</span>
      </span>
    );
  if (ledger.balanced === false)
    return <b class="tone-bad">✗ {formatCount(missing)} unexplained</b>;
  if (ledger.in_flight > 0) return <span class="dim">events in flight</span>;
  return <span class="dim">not known</span>;
}
