// @ts-check
// Owns the question what happens in front of a server that never closes first, so that TIME_WAIT is always the client's.

import { measureDirect } from '../churn.mjs';
import { measureProxy } from '../measure-proxy.mjs';

/** Further ones are what the proxy's log recommends during the first run, and the default. */
const ttls = ['0', '1s'];
const defaultTtl = '5m';
const perSecond = 150;
const relay = { isPatient: true, delayMs: 0 };

/**
 * @param {import('../stage.mjs').Stage} stage
 * @param {import('../variants.mjs').VariantOptions} options
 * @returns {Promise<import('../variants.mjs').VariantResult>}
 */
export async function runPatientServer(stage, options) {
  const { refusedPorts, concurrency } = options;
  const direct = await measureDirect(stage, options, 'directly', await stage.startRelay(relay));
  /** @type {import('../measure-proxy.mjs').ProxyRun[]} */
  const proxied = [];
  const load = { sessions: stage.range.ports + refusedPorts, concurrency, perSecond };
  const runWith = async (/** @type {string} */ ttl, remark = '') => {
    const upstream = await stage.startRelay(relay);
    const settings = { MAILBOX_CACHE_TTL: ttl };
    const label = `MAILBOX_CACHE_TTL=${ttl}${remark}`;
    const run = await measureProxy(stage, { label, upstream, settings, load });
    proxied.push(run);
    return run;
  };
  for (const ttl of ttls) await runWith(ttl);
  const [unkept] = proxied;
  if (unkept === undefined) throw new Error('the first timeout was not measured');
  const advised = adviceIn(unkept);
  if (advised === undefined) throw new Error(`with ${unkept.label} the log of the proxy names no better one`);
  const recommended = await runWith(`${advised.numbers['recommended_seconds']}s`, ', as its log recommends');
  await runWith(defaultTtl);
  const runs = [direct, ...proxied];
  return {
    title: 'A server that never closes first',
    conditions: `Dovecot behind a relay that waits for its client to close. Directly: ${concurrency} sessions at a time, until ${refusedPorts} found no
port. Through the proxy: ${load.sessions} sessions by Unix socket, ${perSecond} a second at random moments, of ${stage.users.length} users at random:
a user comes every ${(stage.users.length / perSecond).toFixed(2)} s on average. The proxy waits for a second after LOGOUT, and closes then.`,
    head: [
      '',
      'succeeded',
      'failed',
      'before the first failure',
      'logins',
      'ports in use (most)',
      'TIME_WAIT (most)',
      'after the proxy’s end',
      'p50 ms',
      'p99 ms',
    ],
    rows: runs.map((run) => [
      run.label,
      run.succeeded,
      run.failed,
      run.succeededBeforeFirstFailure ?? '-',
      run.upstreamLogins,
      run.mostInUse,
      run.duringLoad.mostTimeWait,
      run.mostTimeWait,
      run.p50Ms ?? NaN,
      run.p99Ms ?? NaN,
    ]),
    remarks: [
      ...runs.flatMap(({ label, failures }) =>
        Object.entries(failures).map(([reason, times]) => `${label}: ${times} × ${reason}`),
      ),
      ...proxied.flatMap(({ label, warnings }) => warningRemarks(label, warnings)),
    ],
    tables: [curveTable(unkept)],
    verdicts: [namesBetter(unkept, advised), helps(recommended, stage.range)],
    runs,
  };
}

/**
 * The first of each text.
 *
 * @param {string} label
 * @param {import('../proxy.mjs').Warning[]} warnings
 */
function warningRemarks(label, warnings) {
  const texts = [...new Set(warnings.map(({ text }) => text))];
  return texts.map((text) => {
    const { seconds = 0, numbers = {} } = warnings.find((warning) => warning.text === text) ?? {};
    const fields = Object.entries(numbers).map(([name, value]) => `${name} ${value}`);
    return `${label}: its log warns after ${seconds.toFixed(1)} s: ${text} (${fields.join(', ')})`;
  });
}

/**
 * @param {import('../measure-proxy.mjs').ProxyRun} run
 * @returns {{ title: string, head: string[], rows: (string | number)[][] }}
 */
function curveTable({ label, portReport: { limit, advice } }) {
  return {
    title: `What /api/ports of ${label} expects of each timeout, on average; ${limit} ports:`,
    head: ['', 'logins at the server per second', 'ports in TIME_WAIT', 'connections idle', ''],
    rows: advice.curve.map((point) => [
      `${point.ttlMs / 1_000} s`,
      point.upstreamLoginsPerSecond,
      Math.round(point.timeWaitPorts),
      Math.round(point.heldConnections),
      point.ttlMs === advice.recommendedTtlMs ? 'recommended' : '',
    ]),
  };
}

/** @param {import('../measure-proxy.mjs').ProxyRun} run */
function adviceIn({ warnings }) {
  return warnings.find(({ numbers }) => 'recommended_seconds' in numbers);
}

/**
 * @param {import('../measure-proxy.mjs').ProxyRun} run
 * @param {import('../proxy.mjs').Warning} warning
 * @returns {import('../verdicts.mjs').Verdict}
 */
function namesBetter({ label, timeline }, { seconds, numbers }) {
  const failedSeconds = (timeline.find(({ failed }) => failed > 0)?.ms ?? Infinity) / 1_000;
  const { recommended_seconds: better = 0, mailbox_cache_ttl_seconds: current = Infinity } = numbers;
  return {
    claim: `a server that never closes first: ${label}: the log names a better timeout before a session fails`,
    measured: `${better} s, named after ${seconds.toFixed(1)} s; the first failure after ${failedSeconds.toFixed(1)} s`,
    holds: better > current && seconds < failedSeconds,
  };
}

/**
 * @param {import('../measure-proxy.mjs').ProxyRun} run
 * @param {import('../stage.mjs').Stage['range']} range
 * @returns {import('../verdicts.mjs').Verdict}
 */
function helps({ label, failed, started, mostPorts }, { ports }) {
  return {
    claim: `a server that never closes first: ${label}: no session fails, and half of the ports stay free`,
    measured: `${failed} of ${started} failed; ${mostPorts} of ${ports} ports taken at most, the proxy's end included`,
    holds: failed === 0 && mostPorts <= ports / 2,
  };
}
