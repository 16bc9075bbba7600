// Owns the container's health check: asks the admin server of the same container, and exits with 0 or 1.
import { request } from 'node:http';
import process from 'node:process';

/** Below the time-out of the HEALTHCHECK instruction, so that the reason is still printed. */
const TIMEOUT_MS = 2_000;

/** Where ADMIN_LISTEN is reached from inside; "all addresses" is no address to connect to everywhere. */
function target(adminListen) {
  const match = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(adminListen);
  if (match === null) return undefined;
  const host = match[1].replace(/^\[|\]$/g, '');
  const loopback = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  return { host: loopback[host] ?? host, port: Number(match[2]) };
}

function finish(problem) {
  if (problem !== undefined) console.error(`not healthy: ${problem}`);
  process.exit(problem === undefined ? 0 : 1);
}

// An empty variable counts as not set, as everywhere.
const where = target(process.env.ADMIN_LISTEN || '127.0.0.1:9143');
if (where === undefined) finish('ADMIN_LISTEN is not host:port');

const asked = request({ ...where, path: '/healthz', agent: false, timeout: TIMEOUT_MS }, (response) => {
  finish(response.statusCode === 200 ? undefined : `/healthz answers ${response.statusCode}`);
});
asked.on('timeout', () => finish(`no answer within ${TIMEOUT_MS} ms`));
asked.on('error', (error) => finish(error.message));
asked.end();
