// Picks free ports below the ephemeral range, so that no outgoing connection can take one of them in the meantime.

import { createServer } from 'node:net';

const lowest = 20_000;
const highest = 32_000;

/** So many different ports of 127.0.0.1 that are free now. */
export async function pickFreePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries++) {
    if (tries > 200) throw new Error(`found no free port between ${String(lowest)} and ${String(highest)}`);
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen(port, '127.0.0.1', () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}
