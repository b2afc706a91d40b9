import type { Silence } from '../../../server/protocol/alerts.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { second, store } from '../session.ts';
import type { AlertActions } from './AlertsView.tsx';
import { labelPairs, silenceEnd } from './words.ts';

/** Every silence, with a way to take it back. Nothing where there is none. */
export function SilenceTable(props: {
  silences: readonly Silence[];
  actions: AlertActions | null;
}) {
  const { silences, actions } = props;
  void second.value;
  if (silences.length === 0) return null;
  return (
    <Panel title="Silences" side={<span class="dim">shown here, told to nobody</span>}>
      <Scroll label="Silences, table">
        <table class="data silences">
          <thead>
            <tr>
              <th scope="col">lasts</th>
              <th scope="col">alerts with</th>
              <th scope="col">reason</th>
              <th scope="col">
                <span class="visually-hidden">remove</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {silences.map((silence) => (
              <tr key={silence.id}>
                <td>{silenceEnd(silence, store.serverNow())}</td>
                <td class="wrap mono labels">
                  {labelPairs(silence.match).map(([name, value]) => (
                    <span key={name}>
                      <span class="dim">{name}=</span>
                      <Foreign text={value} />
                    </span>
                  ))}
                </td>
                <td class="wrap">
                  <Foreign text={silence.reason} />
                </td>
                <td class="num">
                  {silence.config ? (
                    <span class="dim">config file</span>
                  ) : (
                    actions !== null && (
                      <button type="button" onClick={() => actions.unsilence(silence.id)}>
                        remove
                      </button>
                    )
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}
