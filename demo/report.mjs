// Owns the words of the demo: what it runs, the table with its conditions, the verdict, and what to try next.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { renderTable } from '../bench/support/figures.mjs';
import { countSockets } from '../bench/support/sockets.mjs';
import { concurrency } from './churn.mjs';
import { messagesPerUser, password, users } from './mailboxes.mjs';
import { rounds } from './password-hash.mjs';

/** With the pool every connection to the server must serve at least this many sessions… */
const fewestSessionsPerConnection = 4;
/** …but in a short run each user needs one first, and another one while he has two sessions at once. */
const alwaysAllowedConnections = users.length + concurrency;

const canCountTimeWaits = countSockets(0, 'time-wait') !== undefined;

const { version } = JSON.parse(
  readFileSync(createRequire(import.meta.url).resolve('hoodiecrow-imap/package.json'), 'utf8'),
);

/** @param {import('./stage.mjs').Stage} stage */
export function introduction({ server, proxy }) {
  const settings = Object.entries(proxy.settings).map(([name, value]) => `${name}=${value}`);
  return `
The server: hoodiecrow-imap ${version}, a toy for tests, embedded, on 127.0.0.1:${server.port} without TLS; ${users.length} users
with ${messagesPerUser} messages each; a login costs it one password hash (PBKDF2, ${rounds} rounds, as Dovecot's scheme).
The proxy in front of it, started as you would:

  ${settings.join(' \\\n  ')} \\
  node dist/main.js

A session: connect, CAPABILITY, LOGIN, LIST, SELECT, UID FETCH, STATUS, LOGOUT, close; ${users.length} users in turn,
${concurrency} sessions at a time. Each answer is checked: every user's mail is his own.
`;
}

/** @param {import('./phases.mjs').Phase[]} phases */
export function table(phases) {
  const rows = phases.map((phase) => [
    phase.label,
    phase.sessions,
    failuresOf(phase),
    phase.connections,
    portsOf(phase),
    phase.p50Ms.toFixed(1),
    Math.round(phase.perSecond),
  ]);
  const ports = canCountTimeWaits ? 'TIME_WAIT' : 'closed here';
  return renderTable(['', 'sessions', 'failed', 'connections', ports, 'p50 ms', 'sessions/s'], rows);
}

/** @param {import('./phases.mjs').Phase[]} phases */
export function conditions([direct, byTcp]) {
  const ports = canCountTimeWaits
    ? `
TIME_WAIT: ports that this machine can't use again towards the server for a minute (counted in /proc/net/tcp). The
    side that closes first has them. The clients close right after LOGOUT's OK, as common client libraries do, and were
    first ${direct.timeWaits.clientSide} times; ${direct.timeWaits.serverSide} times the server was, and waits itself. Towards the proxy they left ${byTcp.timeWaitsToProxy.clientSide} by TCP;
    a Unix socket has none.`
    : `
closed here: connections to the server that this machine closed first; each leaves a port in TIME_WAIT. (This system
    has no /proc/net/tcp to count those in.) The clients close right after LOGOUT's OK, as common client libraries do.`;
  return `connections: those that reached the server in this phase; the proxy keeps its own for the next one.${ports}
All of it was measured now, on this machine alone, with a toy. A real server also does TLS, looks users up and starts
a process for each connection: \`npm run bench\` measures with Dovecot.`;
}

/**
 * @param {import('./phases.mjs').Phase[]} phases
 * @returns {string[]} what is wrong; empty: every session succeeded, and the pool had its effect
 */
export function faultsOf([direct, ...proxied]) {
  const faults = [direct, ...proxied].flatMap(({ label, failures }) =>
    [...failures].map(([reason, times]) => `${label}: ${times} sessions failed: ${reason}`),
  );
  for (const phase of proxied) {
    const { label, sessions, connections } = phase;
    if (connections > Math.max(sessions / fewestSessionsPerConnection, alwaysAllowedConnections))
      faults.push(
        `${label}: ${connections} connections reached the server, too many for ${sessions} sessions`,
      );
    if (portsOf(phase) * fewestSessionsPerConnection > portsOf(direct))
      faults.push(`${label}: ${portsOf(phase)} ports are too many compared with ${portsOf(direct)}`);
  }
  return faults;
}

/** @param {import('./stage.mjs').Stage} stage */
export function invitation({ byTcp, adminPort }) {
  const others = users.slice(1).map(({ name }) => name);
  return `
It stays up until Ctrl-C. Try it:
  a mail client    IMAP, host 127.0.0.1, port ${byTcp.port}, no encryption (it is this machine only),
                   user ${users[0].name}, password ${password}; the others: ${others.join(', ')}
  one command      curl -u ${users[0].name}:${password} 'imap://127.0.0.1:${byTcp.port}/INBOX;UID=1'
  the metrics      http://127.0.0.1:${adminPort}/metrics
In front of your own server: README.md.`;
}

function failuresOf({ failures }) {
  return [...failures.values()].reduce((sum, times) => sum + times, 0);
}

function portsOf({ timeWaits, closedHere }) {
  return canCountTimeWaits ? timeWaits.clientSide : closedHere;
}
