/**
 * A lock between processes that cannot outlive its holder: an abstract Unix
 * socket, whose name the kernel gives back the moment the process ends, however
 * it ends. A lock file would have to be told apart from one left behind.
 */
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Runs `work` while no other process of this machine holds the lock of that path. */
export async function withLock<T>(
  path: string,
  onWait: () => void,
  work: () => Promise<T>,
): Promise<T> {
  const name = `\0lastref-${createHash('sha256').update(path).digest('hex').slice(0, 32)}`;
  let server = await tryListen(name);
  if (!server) onWait();
  while (!server) {
    await sleep(250);
    server = await tryListen(name);
  }
  try {
    return await work();
  } finally {
    server.close();
  }
}

function tryListen(name: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else reject(error);
    });
    server.listen(name, () => resolve(server));
  });
}
