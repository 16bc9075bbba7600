// @ts-check
// Owns the words of the lab: what it does, its tables, its verdicts.

import { renderTable } from '../bench/support/figures.mjs';

/** @typedef {import('./churn.mjs').ChurnRun} ChurnRun */

/**
 * @param {import('./options.mjs').LabOptions} options
 * @param {import('./machine.mjs').Machine} machine
 * @param {import('./stage.mjs').Stage} stage
 */
export function introduction({ sessions, refusedPorts, concurrency }, machine, { range, users }) {
  return `Two hosts, joined by a cable: network namespaces of this machine (${machine.cpus} CPUs, Linux ${machine.kernel}, Node ${machine.node}).
  client host   ${range.ports} ephemeral ports (${range.lowest} to ${range.highest}); the clients, and the proxy
  server host   Dovecot ${machine.dovecot}, ${users.length} users, without TLS; the clients have a higher priority on the CPUs that both hosts share
A session: connect, LOGIN, SELECT, UID FETCH, NOOP, LOGOUT. Each answer is checked. The client closes as soon as it has read LOGOUT's
OK, as many client libraries do; when the server's close has not come by then, the client's port waits in TIME_WAIT for 60 s.
${concurrency} sessions at a time; directly until ${refusedPorts} found no port, through the proxy ${sessions}. Ports are counted in the client host's
/proc/net/tcp towards the server's address and port; each measurement has a port of the server for itself.
`;
}

/** @param {ChurnRun[]} runs */
export function churnTable(runs) {
  const head = [
    '',
    'sessions',
    'succeeded',
    'failed',
    'logins',
    'ports in use (most)',
    'TIME_WAIT (most)',
    'p50 ms',
    'p99 ms',
    'sessions/s',
  ];
  const rows = runs.map((run) => [
    run.label,
    run.started,
    run.succeeded,
    run.failed,
    run.upstreamLogins,
    run.mostInUse,
    run.mostTimeWait,
    run.p50Ms ?? NaN,
    run.p99Ms ?? NaN,
    run.sessionsPerSecond,
  ]);
  return renderTable(head, rows);
}

/**
 * What the table doesn't say.
 *
 * @param {ChurnRun[]} runs
 * @param {import('./machine.mjs').Machine} machine
 */
export function churnRemarks(runs, machine) {
  return runs.flatMap((run) => [
    ...Object.entries(run.failures).map(([reason, times]) => `${run.label}: ${times} × ${reason}`),
    ...(run.succeededBeforeFirstFailure === undefined
      ? []
      : [`${run.label}: ${run.succeededBeforeFirstFailure} sessions succeeded before the first failure`]),
    ...shareRemark(run),
    ...(run.loopback === undefined ? [] : [loopbackRemark(run.loopback, machine)]),
  ]);
}

/** @param {ChurnRun} run */
function shareRemark({ label, connectionsOpened, clientClosedFirstShare, succeeded }) {
  if (connectionsOpened !== undefined || clientClosedFirstShare === null) return [];
  return [
    `${label}: the client was the first to close in ${(clientClosedFirstShare * 100).toFixed(0)} % of ${succeeded} sessions; in the others the server was, and has TIME_WAIT`,
  ];
}

/**
 * @param {import('./churn.mjs').LoopbackFigures} figures
 * @param {import('./machine.mjs').Machine} machine
 */
function loopbackRemark({ client, proxy }, { tcpTwReuse }) {
  return `loopback TCP: between the clients and the proxy, on this host, ${client.mostInUse} client ports in use and ${client.mostTimeWait} in TIME_WAIT at most, and
  ${proxy.mostTimeWait} of the proxy's sockets; Linux uses those again after a second (tcp_tw_reuse = ${tcpTwReuse}). A Unix socket has none`;
}

/** @param {import('./variants.mjs').VariantResult} result */
export function variantText({ title, conditions, head, rows, remarks, tables = [] }) {
  const others = tables.map((table) => `\n\n${table.title}\n\n${renderTable(table.head, table.rows)}`);
  return `\n${title}\n\n${conditions}\n\n${renderTable(head, rows)}${list(remarks)}${others.join('')}`;
}

/** @param {import('./verdicts.mjs').Verdict[]} verdicts */
export function verdictText(verdicts) {
  return verdicts
    .map(({ claim, measured, holds }) => `${holds ? 'holds' : 'DOES NOT HOLD'}  ${claim} (${measured})`)
    .join('\n');
}

/** @param {string[]} remarks */
export function list(remarks) {
  return remarks.length === 0 ? '' : `\n\n${remarks.map((remark) => `- ${remark}`).join('\n')}`;
}
