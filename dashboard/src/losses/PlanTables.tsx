import type { HostState } from '../../../server/protocol/hosts.ts';
import { isObserved, STAGE_TEXT, STAGES } from '../../../server/protocol/stages.ts';
import { ChooseHost, isHostOpen } from '../hosts/ChooseHost.tsx';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { route, store } from '../session.ts';

/** What can be seen on each host and how; and what cannot, why, and what would help. */
export function PlanTables() {
  const chosen = route.value.host;
  if (isHostOpen()) return <ChooseHost what="Plan" />;
  return (
    <>
      {store.hosts.value
        .filter((host) => chosen === '' || host.host === chosen)
        .map((host) => (
          <PlanOfHost key={host.host} host={host} />
        ))}
    </>
  );
}

function PlanOfHost({ host }: { host: HostState }) {
  const { plan } = host;
  const seen = plan ? STAGES.filter((stage) => plan[stage] && isObserved(plan[stage])).length : 0;
  const about = [host.kernel && `Linux ${host.kernel}`, host.bpftrace, host.fs.join(', ')]
    .filter(Boolean)
    .join(' · ');
  return (
    <Panel
      title={`Plan of ${host.host}`}
      side={
        <span class="dim">
          {plan && `${seen} of ${STAGES.length} stages observed · `}
          <Foreign text={about} />
        </span>
      }
    >
      {plan === null ? (
        <p class="pad dim">
          Not made yet: <Foreign text={host.message || host.status} />
        </p>
      ) : (
        <Scroll label={`Plan of ${host.host}, table`} tall>
          <table class="data plan">
            <thead>
              <tr>
                <th scope="col">stage</th>
                <th scope="col">probe, or why it cannot be seen</th>
                <th scope="col">what it is</th>
              </tr>
            </thead>
            <tbody>
              {STAGES.map((stage) => {
                const entry = plan[stage];
                const observed = entry !== undefined && isObserved(entry);
                return (
                  <tr key={stage} class={observed ? '' : 'not-seen'}>
                    <th scope="row" class="mono">
                      {stage}
                    </th>
                    <td class="wrap">
                      {observed ? (
                        <>
                          <span class="mono">
                            <Foreign text={entry.probe} />
                          </span>{' '}
                          <span class="dim">
                            <Foreign text={entry.note ?? ''} />
                          </span>
                        </>
                      ) : (
                        <>
                          <span class="why">
                            <Foreign
                              text={entry && 'missing' in entry ? entry.missing : ''}
                              empty="not planned"
                            />
                          </span>
                          {entry && 'help' in entry && entry.help && (
                            <span class="plan-help">
                              {' '}
                              → <Foreign text={entry.help} />
                            </span>
                          )}
                        </>
                      )}
                    </td>
                    <td class="dim wrap">{STAGE_TEXT[stage]}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}
