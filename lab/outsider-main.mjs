// @ts-check
// Owns a process that takes every port of this host towards one destination and holds them: somebody else's mistake.
//
// Its one argument is { host, port } as JSON. It tells its parent how many it holds each time it has found no more;
// any message from its parent ends it.

import { connect } from 'node:net';
import process from 'node:process';

const { host, port } = JSON.parse(process.argv[2] ?? '');
const atATime = 16;
/** So soon it takes what others have given back. */
const retryMs = 100;

/** @type {Set<import('node:net').Socket>} */
const held = new Set();

function take() {
  const socket = connect({ host, port });
  let isHeld = false;
  socket.once('connect', () => {
    isHeld = true;
    held.add(socket);
    take();
  });
  socket.once('error', (/** @type {NodeJS.ErrnoException} */ { code }) => {
    if (code === 'EADDRNOTAVAIL') process.send?.({ held: held.size });
  });
  socket.once('close', () => {
    held.delete(socket);
    // Another attempt has followed the one that succeeded.
    if (!isHeld) setTimeout(take, retryMs);
  });
  // What the server says is of no interest, but has to be read for its end to be seen.
  socket.resume();
}

for (let n = 0; n < atATime; n++) take();
process.once('disconnect', () => process.exit());
process.once('message', () => {
  // RST, which only a lab may do: the ports are free at once, and the next measurement needn't wait for a minute.
  for (const socket of held) socket.resetAndDestroy();
  process.exit();
});
