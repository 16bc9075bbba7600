// Owns the count of sockets in TIME_WAIT, read from the kernel where it shows them (Linux).
import { readFileSync } from 'node:fs';

/** `st` in /proc/net/tcp. */
const timeWaitState = '06';

/**
 * @typedef {object} TimeWaits - this machine's sockets in TIME_WAIT
 * @property {number} clientSide - of clients of this port: each keeps an ephemeral port from use
 * @property {number} serverSide - of the server on this port, where it closed first
 */

/**
 * @param {number} port - of a server on this machine
 * @returns {TimeWaits | undefined} undefined: this system has no /proc/net/tcp
 */
export function countTimeWaits(port) {
  const ipv4 = linesOf('/proc/net/tcp');
  if (ipv4 === undefined) return undefined;
  const waiting = [...ipv4, ...(linesOf('/proc/net/tcp6') ?? [])]
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state]) => state === timeWaitState);
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return {
    clientSide: waiting.filter(([, , remote]) => remote.endsWith(suffix)).length,
    serverSide: waiting.filter(([, local]) => local.endsWith(suffix)).length,
  };
}

/** Without the heading; undefined if there is no such file. */
function linesOf(file) {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(1);
  } catch {
    return undefined;
  }
}
