// Owns the count of what Linux refused to accept.

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
