// Owns the count of this machine's sockets, read from the kernel where it shows them (Linux).
import { readFileSync } from 'node:fs';

/** `st` in /proc/net/tcp. */
const states = { established: '01', 'time-wait': '06' };

/**
 * @typedef {object} SocketCounts
 * @property {number} clientSide - of clients of this port: each keeps an ephemeral port from use
 * @property {number} serverSide - of the server on this port; in TIME_WAIT where it closed first
 */

/**
 * @param {number} port - of a server on this machine
 * @param {keyof typeof states} state
 * @returns {SocketCounts | undefined} undefined: this system has no /proc/net/tcp
 */
export function countSockets(port, state) {
  const ipv4 = linesOf('/proc/net/tcp');
  if (ipv4 === undefined) return undefined;
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const counts = { clientSide: 0, serverSide: 0 };
  for (const line of [...ipv4, ...(linesOf('/proc/net/tcp6') ?? [])]) {
    const [, local = '', remote = '', found] = line.trim().split(/\s+/);
    if (found !== states[state]) continue;
    if (remote.endsWith(suffix)) counts.clientSide += 1;
    if (local.endsWith(suffix)) counts.serverSide += 1;
  }
  return counts;
}

/**
 * Without the heading; undefined if there is no such file.
 *
 * @param {string} file
 */
function linesOf(file) {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(1);
  } catch {
    return undefined;
  }
}
