// What can be measured: each system is a way from the load to Dovecot. A new one is one more row.

import { startProxy } from './proxy-process.mjs';

/**
 * @typedef {object} RunningSystem
 * @property {number} port - where the load goes
 * @property {number} upstreamPort - where it ends up
 * @property {(name: string) => Promise<number>} [metric] - the sum of a metric's samples
 * @property {() => Promise<void>} stop
 */

/**
 * @typedef {object} SystemContext
 * @property {number} upstreamPort - Dovecot's port for this system alone
 * @property {(count: number) => Promise<number[]>} pickPorts
 * @property {Record<string, string>} proxyEnv - more variables for the proxy
 */

/** @type {Readonly<Record<string, (context: SystemContext) => Promise<RunningSystem>>>} */
export const systems = {
  direct: ({ upstreamPort }) =>
    Promise.resolve({ port: upstreamPort, upstreamPort, stop: () => Promise.resolve() }),
  proxy: async ({ upstreamPort, pickPorts, proxyEnv }) => {
    const [port = 0, adminPort = 0] = await pickPorts(2);
    const { metric, stop } = await startProxy(adminPort, {
      UPSTREAM_HOST: '127.0.0.1',
      UPSTREAM_PORT: String(upstreamPort),
      UPSTREAM_TLS: 'off',
      LISTEN: `imap://127.0.0.1:${port}`,
      ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
      LOG_LEVEL: 'warn',
      ...proxyEnv,
    });
    return { port, upstreamPort, metric, stop };
  },
};
