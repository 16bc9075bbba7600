// @ts-check
// Owns a process that takes every port of this host towards one destination and holds them: somebody else's mistake.
//
// Its one argument is { host, port, localAddress } as JSON. It tells its parent how many it holds when it has found no more,
// again and again, and what connect() said; any message from its parent ends it.

import { connect } from 'node:net';
import process from 'node:process';

/** Without a local address the system chooses it, and with it the port, when the destination is known. */
const { host, port, localAddress } = JSON.parse(process.argv[2] ?? '');
/** What says that no port is left; the second one is bind()'s. */
const exhaustedCodes = ['EADDRNOTAVAIL', 'EADDRINUSE'];
const atATime = 16;
/** So soon it takes what others have given back. */
const retryMs = 100;

/** @type {Set<import('node:net').Socket>} */
const held = new Set();
let undecided = 0;

function take() {
  const socket = connect({ host, port, localAddress });
  let isHeld = false;
  undecided += 1;
  socket.once('connect', () => {
    isHeld = true;
    held.add(socket);
    undecided -= 1;
    take();
  });
  socket.once('error', (/** @type {NodeJS.ErrnoException} */ { code }) => {
    if (!isHeld) undecided -= 1;
    // Those that are on their way have a port each.
    if (exhaustedCodes.includes(code ?? '') && undecided === 0) process.send?.({ held: held.size, code });
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
