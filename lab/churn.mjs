// @ts-check
// Owns the comparison itself: the same churn straight to the server, through the proxy's Unix socket, and by loopback TCP.

import { measure } from './measure.mjs';
import { measureProxy } from './measure-proxy.mjs';

/** @typedef {import('./stage.mjs').Stage} Stage */
/** @typedef {import('./measure.mjs').Run} Run */
/** @typedef {import('./sampler.mjs').SampleSummary} SampleSummary */
/** @typedef {{ client: SampleSummary, proxy: SampleSummary }} LoopbackFigures - the sockets of both ends */
/** @typedef {Run & { connectionsOpened?: number, loopback?: LoopbackFigures }} ChurnRun */
/**
 * @typedef {object} ChurnOptions
 * @property {number} sessions - through the proxy
 * @property {number} refusedPorts - directly: so many failures are plain enough
 * @property {number} concurrency
 */

/** Directly it ends after so many times the range at the latest, should the server always be the first to close. */
const mostRanges = 30;

/** A further way to the server is one more row. @type {Readonly<Record<string, (stage: Stage, options: ChurnOptions) => Promise<ChurnRun>>>} */
export const systems = {
  direct: (stage, options) => measureDirect(stage, options, 'directly', stage.claimEndpoint()),
  unix: (stage, { sessions, concurrency }) =>
    measureProxy(stage, { label: 'proxy, Unix socket', load: { sessions, concurrency } }),
  loopback: measureLoopback,
};

/**
 * @param {Stage} stage
 * @param {ChurnOptions} options
 * @param {string} label
 * @param {import('./stage.mjs').Endpoint} upstream
 * @returns {Promise<Run>}
 */
export function measureDirect(stage, { refusedPorts, concurrency }, label, upstream) {
  const order = {
    target: upstream,
    users: stage.users,
    sessions: stage.range.ports * mostRanges,
    concurrency,
    stopAfterRefusedPorts: refusedPorts,
  };
  return measure(stage, { label, upstream, order });
}

/**
 * Loopback TCP costs ports as well, on this same host: they are counted on both of their ends.
 *
 * @param {Stage} stage
 * @param {ChurnOptions} options
 * @returns {Promise<ChurnRun>}
 */
async function measureLoopback(stage, { sessions, concurrency }) {
  const { host: address, port } = stage.loopback;
  const run = await measureProxy(stage, {
    label: 'proxy, loopback TCP',
    target: stage.loopback,
    load: { sessions, concurrency },
    otherFilters: [{ remote: { address, port } }, { localPort: port }],
  });
  const [client, proxy] = run.others;
  if (client === undefined || proxy === undefined) throw new Error('the loopback was not sampled');
  return { ...run, loopback: { client, proxy } };
}
