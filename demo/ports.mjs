// Owns the choice of ports for the proxy's listeners.
import { createServer } from 'node:net';

/**
 * @param {number} wanted - taken if it is free, else any free one; 0: any
 * @returns {Promise<number>} free a moment ago on 127.0.0.1
 */
export async function pickPort(wanted) {
  return (await listenOnce(wanted)) ?? (await listenOnce(0)) ?? noPort();
}

/**
 * @param {number} wanted
 * @returns {Promise<number | undefined>}
 */
function listenOnce(wanted) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(wanted, '127.0.0.1', () => {
      const bound = server.address();
      const port = typeof bound === 'object' ? bound?.port : undefined;
      server.close(() => resolve(port));
    });
  });
}

/** @returns {never} */
function noPort() {
  throw new Error('no free TCP port on 127.0.0.1');
}
