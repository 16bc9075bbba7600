// @ts-check
// What Linux counted: refused accepts, and ports that wait in TIME_WAIT.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The TcpExt counters of this network namespace since it was made. */
export function readListenCounters() {
  const [names = '', numbers = ''] = readFileSync('/proc/net/netstat', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'));
  const values = numbers.split(' ');
  const read = (/** @type {string} */ name) => Number(values[names.split(' ').indexOf(name)] ?? NaN);
  return { overflows: read('ListenOverflows'), drops: read('ListenDrops') };
}

/** @typedef {ReturnType<typeof readListenCounters>} ListenCounters */

/**
 * @param {ListenCounters} before
 * @returns {ListenCounters} since then
 */
export function listenCountersSince(before) {
  const now = readListenCounters();
  return { overflows: now.overflows - before.overflows, drops: now.drops - before.drops };
}

/**
 * Ports burnt by whoever connected to this server port: sockets whose *peer* has it.
 *
 * @param {number} serverPort
 * @param {'time-wait' | 'established'} state
 * @returns {number}
 */
export function countClientSockets(serverPort, state) {
  const output = execFileSync('ss', ['-Htan', 'state', state, 'dst', `:${serverPort}`], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return output.split('\n').filter((line) => line.trim() !== '').length;
}
