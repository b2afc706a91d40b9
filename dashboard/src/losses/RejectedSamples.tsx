import type { LossesView } from '../../../server/protocol/messages.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';

/** A few of the lines that could not be decoded, with the reason. */
export function RejectedSamples({ samples }: { samples: LossesView['samples'] }) {
  return (
    <Panel title="Rejected lines" side={<span class="dim">samples</span>}>
      {samples.length === 0 ? (
        <p class="pad dim">None: every line was understood.</p>
      ) : (
        <ul class="samples">
          {samples.map((sample) => (
            <li key={`${sample.host} ${sample.line}`}>
              <code>
                <Foreign text={sample.line} escaped />
              </code>
              <p class="dim">
                <Foreign text={sample.host} />: <Foreign text={sample.why} />
              </p>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
