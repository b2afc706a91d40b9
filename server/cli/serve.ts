/** Starts the server of a command, tells where it is, and takes its traces away again. */
import type { SessionAlerts } from '../notify/session-alerts.ts';
import type { RecordingState } from '../web/metrics/server.ts';
import { startWeb, type Web } from '../web/server.ts';
import type { Source } from '../web/source.ts';
import { CliError, EXIT } from './exit.ts';
import { forgetServer, rememberServer } from './servers.ts';
import type { WebSettings } from './web-options.ts';

/** Throws CliError when it cannot listen there. */
export async function serve(
  settings: WebSettings,
  source: Source,
  alerts?: SessionAlerts,
  recording?: () => RecordingState,
): Promise<Web> {
  const { port, listen, tokens } = settings;
  try {
    return await startWeb({
      source,
      port,
      listen,
      tokens,
      ...(alerts ? { alerts } : {}),
      ...(recording ? { recording } : {}),
    });
  } catch (error) {
    const why = whyNot((error as NodeJS.ErrnoException).code ?? '', settings);
    throw why === null ? error : new CliError(EXIT.usage, why);
  }
}

/** Prints the links, `page` being what follows in them; `lastref report` finds the server from now on. */
export function announce(
  web: Web,
  { viewerLink }: WebSettings,
  out: NodeJS.WritableStream,
  page = '',
): void {
  rememberServer(web);
  out.write(`lastref: ${web.link}${page}\n`);
  if (viewerLink) out.write(`lastref: for looking only: ${web.viewerLink}${page}\n`);
}

export async function endServing(web: Web): Promise<void> {
  forgetServer(web.port);
  await web.close();
}

function whyNot(code: string, { port, listen }: WebSettings): string | null {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} is in use, perhaps by another lastref.\nTake another one: --port ${port + 1}   (0: any free one)`;
    case 'EACCES':
      return `this user may not listen on port ${port}.\nTake one above 1023: --port 7373`;
    case 'EADDRNOTAVAIL':
      return `--listen ${listen.address}: this machine has no such address (\`ip address\` lists those it has)`;
    default:
      return null;
  }
}
