import { APART } from '../../../server/protocol/hosts.ts';
import { Empty } from '../parts/Empty.tsx';
import { linkTo, route, store } from '../session.ts';

/** Whether a view has to ask which host is meant. */
export function isHostOpen(): boolean {
  return route.value.host === '' && store.hosts.value.length > APART;
}

export function ChooseHost({ what }: { what: string }) {
  return (
    <Empty title={`${what}: of which host?`}>
      <p>
        Choose one at the top, or in <a href={linkTo({ view: 'hosts' })}>Hosts</a>, where those in
        trouble come first.
      </p>
    </Empty>
  );
}
