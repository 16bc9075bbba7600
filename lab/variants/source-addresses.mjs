// @ts-check
// Owns the question what further local addresses gain, and what a bound one costs everybody else on the host.

import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { measureProxy } from '../measure-proxy.mjs';
import { exhaustPorts } from '../outsider.mjs';
import { readSocketTable } from '../socket-table.mjs';

/** Each used by one run alone, so that none finds what another has left in TIME_WAIT. */
const [one, ...two] = ['192.0.2.3', '192.0.2.4', '192.0.2.5'];
const perSecond = 200;
const relay = { isPatient: true, delayMs: 0 };

/** @typedef {import('../measure-proxy.mjs').ProxyRun} ProxyRun */
/** @typedef {{ label: string, held: number, code: string }} Holding */

/**
 * @param {import('../stage.mjs').Stage} stage
 * @param {import('../variants.mjs').VariantOptions} options
 * @returns {Promise<import('../variants.mjs').VariantResult>}
 */
export async function runSourceAddresses(stage, { refusedPorts, concurrency }) {
  const added = [one, ...two];
  for (const address of added) changeAddress('add', address);
  try {
    const holdings = [
      ...(await holdInTurn(stage, [undefined, undefined])),
      ...(await holdInTurn(stage, [one, one, two[0], undefined])),
    ];
    /** @type {ProxyRun[]} */
    const runs = [];
    for (const addresses of [[one], two]) {
      const upstream = await stage.startRelay(relay);
      const settings = { MAILBOX_CACHE_TTL: '0', UPSTREAM_SOURCE_ADDRESSES: addresses.join(',') };
      const label = `the proxy, ${addresses.length === 1 ? 'one address' : `${addresses.length} addresses`}`;
      const load = { sessions: stage.range.ports * addresses.length + refusedPorts, concurrency, perSecond };
      runs.push(await measureProxy(stage, { label, upstream, settings, load }));
    }
    const seconds = await untilNoTimeWait();
    return resultOf(stage, runs, holdings, seconds);
  } finally {
    for (const address of added) changeAddress('delete', address);
  }
}

/**
 * Another program takes all ports that it gets towards a port of the server, then towards a second one and so on, and
 * holds them all.
 *
 * @param {import('../stage.mjs').Stage} stage
 * @param {(string | undefined)[]} localAddresses - one for each port of the server; undefined: not bound
 * @returns {Promise<Holding[]>}
 */
async function holdInTurn(stage, localAddresses) {
  /** @type {Holding[]} */
  const holdings = [];
  /** @type {import('../outsider.mjs').Outsider[]} */
  const outsiders = [];
  try {
    for (const localAddress of localAddresses) {
      const outsider = await exhaustPorts({
        ...stage.claimEndpoint(),
        ...(localAddress && { localAddress }),
      });
      outsiders.push(outsider);
      const then = outsiders.length === 1 ? 'a program' : '… and then, to another port';
      const how = localAddress === undefined ? 'not bound' : `bound to ${localAddress}`;
      holdings.push({ label: `${then}, ${how}`, held: outsider.held(), code: outsider.code });
    }
  } finally {
    for (const { stop } of outsiders) await stop();
  }
  return holdings;
}

/** @returns {Promise<number>} after how many seconds the next variant can connect without being bound */
async function untilNoTimeWait() {
  const startMs = performance.now();
  while (/ \w{8}:\w{4} \w{8}:\w{4} 06 /.test(readSocketTable())) await delay(500);
  return (performance.now() - startMs) / 1_000;
}

/**
 * @param {import('../stage.mjs').Stage} stage
 * @param {ProxyRun[]} runs
 * @param {Holding[]} holdings
 * @param {number} seconds
 * @returns {import('../variants.mjs').VariantResult}
 */
function resultOf({ range, users }, runs, holdings, seconds) {
  return {
    title: 'Source addresses',
    conditions: `The client host has three more addresses. First another program connects to one port of the server after the other, each time until it
gets no port of the ${range.ports} any more, and holds what it has. Then the proxy with UPSTREAM_SOURCE_ADDRESSES and MAILBOX_CACHE_TTL=0, in front of a
server that never closes first: ${perSecond} sessions a second at random moments, of ${users.length} users at random.`,
    head: ['', 'ports taken (most)', 'of', 'sessions before the first failure', 'then'],
    rows: [
      ...holdings.map(({ label, held, code }) => [label, held, range.ports, '-', code]),
      ...runs.map((run) => [
        run.label,
        run.duringLoad.mostPorts,
        run.portReport.limit,
        run.succeededBeforeFirstFailure ?? run.succeeded,
        run.failed === 0 ? '-' : 'NO [UNAVAILABLE]',
      ]),
    ],
    remarks: [
      ...runs.flatMap(({ label, failures, warnings }) => [
        ...Object.entries(failures).map(([reason, times]) => `${label}: ${times} × ${reason}`),
        ...[...new Set(warnings.map(({ text }) => text))].map((text) => `${label}: its log warns: ${text}`),
      ]),
      `for ${seconds.toFixed(0)} s after that ports were in TIME_WAIT which nothing on the host could take without being bound to another address`,
    ],
    verdicts: [bindingShares(holdings, range)],
    runs: [...runs, ...holdings],
  };
}

/**
 * @param {Holding[]} holdings - as in {@link runSourceAddresses}
 * @param {import('../stage.mjs').Stage['range']} range
 * @returns {import('../verdicts.mjs').Verdict}
 */
function bindingShares(holdings, { ports }) {
  const held = holdings.map((each) => each.held);
  return {
    claim:
      'source addresses: not bound, each destination has the whole range; bound, the first one has it, and the others of the host have none of it',
    measured: `${held.join(', ')} of ${ports}`,
    holds: held.join() === [ports, ports, ports, 0, ports, 0].join(),
  };
}

/**
 * Of the client host, in whose namespace we are.
 *
 * @param {'add' | 'delete'} action
 * @param {string | undefined} address
 */
function changeAddress(action, address) {
  execFileSync('ip', ['address', action, `${address}/24`, 'dev', 'wire'], { stdio: 'inherit' });
}
