// Owns the measured phases: the same churn directly and through the proxy, and what each cost towards the server.
import { setTimeout as delay } from 'node:timers/promises';
import { countSockets } from '../bench/support/sockets.mjs';
import { runChurn } from './churn.mjs';
import { Progress } from './progress.mjs';

/** @typedef {import('../bench/support/sockets.mjs').SocketCounts} SocketCounts */

/** For the last closings to reach the kernel's table. */
const settleMs = 200;

/**
 * @typedef {import('./churn.mjs').ChurnFigures & {
 *   label: string, connections: number, closedHere: number, timeWaits: SocketCounts, timeWaitsToProxy: SocketCounts }} Phase
 * `connections` reached the server, `closedHere` of them were closed by our side first, as that side sees it. The
 * rest is what this phase added, towards the server and towards the proxy's TCP listener; 0 without /proc/net/tcp.
 */

/**
 * @param {import('./stage.mjs').Stage} stage
 * @param {number} sessions
 * @returns {Promise<Phase[]>}
 */
export async function runPhases(stage, sessions) {
  // Both this process and the server run faster once they are warm; nobody's figures should pay for that.
  await runChurn(stage.direct, Math.min(50, sessions));
  const phases = [await measure(stage, 'direct', stage.direct, sessions)];
  phases.push(await measure(stage, 'through the proxy', stage.byTcp, sessions));
  if (stage.byUnixSocket !== undefined)
    phases.push(await measure(stage, 'through its Unix socket', stage.byUnixSocket, sessions));
  return phases;
}

/** @returns {Promise<Phase>} */
async function measure(stage, label, target, sessions) {
  await delay(settleMs);
  const before = await count(stage);
  const progress = new Progress(label.padEnd(24), sessions);
  const churn = await runChurn(target, sessions, (finished) => progress.update(finished));
  progress.end(`${churn.sessions} sessions in ${churn.seconds.toFixed(1)} s`);
  await delay(settleMs);
  const after = await count(stage);
  return {
    ...churn,
    label,
    connections: after.connections - before.connections,
    closedHere: target === stage.direct ? churn.closedHere : after.closedByProxy - before.closedByProxy,
    timeWaits: difference(after.timeWaits, before.timeWaits),
    timeWaitsToProxy: difference(after.timeWaitsToProxy, before.timeWaitsToProxy),
  };
}

async function count({ server, proxy, byTcp }) {
  return {
    connections: await server.countConnections(),
    closedByProxy: await proxy.metric('imapbouncer_upstream_connections_closed_total', 'initiator="local"'),
    timeWaits: countSockets(server.port, 'time-wait'),
    timeWaitsToProxy: countSockets(byTcp.port, 'time-wait'),
  };
}

const none = { clientSide: 0, serverSide: 0 };

/** Never below 0: older ones may end in the meantime. */
function difference(after = none, before = none) {
  return {
    clientSide: Math.max(0, after.clientSide - before.clientSide),
    serverSide: Math.max(0, after.serverSide - before.serverSide),
  };
}
