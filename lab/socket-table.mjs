// @ts-check
// Owns the reading of the kernel's table of TCP sockets (/proc/net/tcp of a network namespace).

import { readFileSync } from 'node:fs';

/** `st` in the table. */
const timeWaitState = '06';
const listenState = '0A';

/** @typedef {{ remote: { address: string, port: number } } | { localPort: number }} SocketFilter - IPv4 */
/** @typedef {{ inUse: number, timeWait: number }} SocketCounts - `inUse`: in every other state */

/**
 * @param {number | 'self'} pid - a process in the namespace that is meant
 * @returns {string}
 */
export function readSocketTable(pid = 'self') {
  return readFileSync(`/proc/${pid}/net/tcp`, 'latin1');
}

/**
 * @param {string} table - the file's text
 * @param {SocketFilter} filter
 * @returns {SocketCounts}
 */
export function countSockets(table, filter) {
  const counts = { inUse: 0, timeWait: 0 };
  for (const [, state] of table.matchAll(patternOf(filter))) {
    if (state === timeWaitState) counts.timeWait += 1;
    else if (state !== listenState) counts.inUse += 1;
  }
  return counts;
}

/**
 * A line is `  sl: LOCALADR:PORT REMOTEAD:PORT ST ...`, all in hexadecimal.
 *
 * @param {SocketFilter} filter
 */
function patternOf(filter) {
  if ('localPort' in filter)
    return new RegExp(` \\w{8}:${hex(filter.localPort, 4)} \\w{8}:\\w{4} (\\w\\w) `, 'g');
  const { address, port } = filter.remote;
  // As a little-endian number, which is what the kernel prints.
  const number = address
    .split('.')
    .reverse()
    .map((part) => hex(Number(part), 2))
    .join('');
  return new RegExp(` ${number}:${hex(port, 4)} (\\w\\w) `, 'g');
}

/**
 * @param {number} value
 * @param {number} digits
 */
function hex(value, digits) {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}
