// @ts-check
// Owns the two hosts: network namespaces with unique names, joined by one cable, and gone at the end.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import process from 'node:process';

/** Of RFC 5737: such addresses are on no real network. */
export const clientAddress = '192.0.2.1';
export const serverAddress = '192.0.2.2';

const prefix = 'imapbouncer-lab';
const folder = '/run/netns';

/**
 * @typedef {object} Network
 * @property {string} client - the namespace with the narrow range
 * @property {string} server
 */

/**
 * @param {{ lowest: number, highest: number }} range - the client host's ephemeral ports
 * @returns {Network}
 * @throws {Error} if this system lets nobody make namespaces; nothing is left then
 */
export function createNetwork(range) {
  removeAbandoned();
  const network = namesOf(process.pid);
  const { client, server } = network;
  try {
    ip('netns', 'add', client);
    ip('netns', 'add', server);
    ip('-n', client, 'link', 'add', 'wire', 'type', 'veth', 'peer', 'name', 'wire', 'netns', server);
    for (const [namespace, address] of /** @type {const} */ ([
      [client, clientAddress],
      [server, serverAddress],
    ])) {
      ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'wire');
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
      ip('-n', namespace, 'link', 'set', 'wire', 'up');
    }
    const setRange = `echo ${range.lowest} ${range.highest} > /proc/sys/net/ipv4/ip_local_port_range`;
    ip('netns', 'exec', client, 'sh', '-c', setRange);
    return network;
  } catch (error) {
    removeNetwork(network);
    throw error;
  }
}

/**
 * Removes both namespaces, and with them the cable and every socket. Twice is safe.
 *
 * @param {Network} network
 */
export function removeNetwork({ client, server }) {
  for (const namespace of [client, server]) {
    if (existsSync(`${folder}/${namespace}`)) ip('netns', 'delete', namespace);
  }
}

/** @param {number} pid */
function namesOf(pid) {
  return { client: `${prefix}-${pid}-client`, server: `${prefix}-${pid}-server` };
}

/** What a lab left behind that was killed with KILL: its namespaces carry the number of a process that is gone. */
function removeAbandoned() {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const pids = names.map((name) => Number(new RegExp(`^${prefix}-(\\d+)-`).exec(name)?.[1]));
  for (const pid of pids) {
    if (pid > 0 && !existsSync(`/proc/${pid}`)) removeNetwork(namesOf(pid));
  }
}

/** @param {string[]} args */
function ip(...args) {
  try {
    execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  } catch (error) {
    const { stderr, message } = /** @type {Error & { stderr?: string }} */ (error);
    throw new Error(`ip ${args.join(' ')}: ${stderr?.trim() || message}`, { cause: error });
  }
}
