// @ts-check
// Owns one measurement of a load through a proxy of its own, from the proxy's start to its end.

import { measure } from './measure.mjs';

/**
 * @typedef {object} ProxyFigures
 * @property {number} connectionsOpened - upstream ones, as the proxy counts
 * @property {import('./proxy.mjs').PortReport} portReport - at the end of the load
 * @property {import('./proxy.mjs').Warning[]} warnings - in its log
 */
/** @typedef {import('./measure.mjs').Run & ProxyFigures} ProxyRun */

/**
 * @param {import('./stage.mjs').Stage} stage
 * @param {object} what
 * @param {string} what.label
 * @param {import('./stage.mjs').Endpoint} [what.upstream] - by default Dovecot, on a port that nobody has used
 * @param {Record<string, string>} [what.settings] - environment variables of the proxy
 * @param {import('./session.mjs').Target} [what.target] - by default the proxy's Unix socket
 * @param {Omit<import('./load.mjs').LoadOrder, 'target' | 'users'>} what.load
 * @param {import('./socket-table.mjs').SocketFilter[]} [what.otherFilters]
 * @returns {Promise<ProxyRun>}
 */
export async function measureProxy(stage, what) {
  const { label, upstream = stage.claimEndpoint(), settings, target, load, otherFilters = [] } = what;
  const proxy = await stage.startProxy(upstream, settings);
  /** @type {ProxyFigures | undefined} */
  let figures;
  try {
    const order = { target: target ?? proxy.unix, users: stage.users, ...load };
    const afterwards = async () => {
      figures = {
        connectionsOpened: await proxy.metric('imapbouncer_upstream_connections_opened_total'),
        portReport: await proxy.portReport(),
        warnings: proxy.warnings(),
      };
      await proxy.stop();
    };
    const run = await measure(stage, { label, upstream, order, otherFilters, afterwards });
    if (figures === undefined) throw new Error('the proxy was not asked for its figures');
    return { ...run, ...figures };
  } finally {
    await proxy.stop();
  }
}
