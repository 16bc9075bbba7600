// @ts-check
// Owns the samples as a process of its own: ten times a second, how many sockets of this host are in which state.
//
// Its one argument is { filters } as JSON. It sends its parent { ms, counts } for each sample, with one count for each
// filter; any message from its parent makes it take the last one and end.

import { setInterval } from 'node:timers';
import { setPriority } from 'node:os';
import process from 'node:process';
import { countSockets, readSocketTable } from './socket-table.mjs';

const intervalMs = 100;
/** A busy machine must not make it blind. */
const priority = -20;

/** @type {{ filters: import('./socket-table.mjs').SocketFilter[] }} */
const { filters } = JSON.parse(process.argv[2] ?? '');

setPriority(priority);
const startMs = performance.now();
take();
setInterval(take, intervalMs);
process.once('message', () => {
  take();
  process.disconnect?.();
});
process.once('disconnect', () => process.exit());

function take() {
  const table = readSocketTable();
  const counts = filters.map((filter) => countSockets(table, filter));
  process.send?.({ ms: Math.round(performance.now() - startMs), counts });
}
