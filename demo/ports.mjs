// Owns the choice of ports for the proxy's listeners.
import { createServer } from 'node:net';

/**
 * @param {number} wanted - taken if it is free, else any free one; 0: any
 * @returns {Promise<number>} free a moment ago on 127.0.0.1
 */
export async function pickPort(wanted) {
  return (await listenOnce(wanted)) ?? (await listenOnce(0)) ?? noPort();
}

/** @returns {Promise<number | undefined>} */
function listenOnce(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const taken = server.address().port;
      server.close(() => resolve(taken));
    });
  });
}

function noPort() {
  throw new Error('no free TCP port on 127.0.0.1');
}
