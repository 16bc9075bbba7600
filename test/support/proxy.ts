// The whole proxy in this process, configured as a user would, with what it logs and counts within reach.

import { startApp } from '../../src/app.js';
import type { App } from '../../src/app.js';
import { loadConfig } from '../../src/config/load.js';
import { createLogger } from '../../src/log.js';

export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

export interface TestProxy {
  readonly app: App;
  /** Of the first listener; 0 if that is a Unix socket. */
  readonly port: number;
  /** Every log line so far, parsed. */
  readonly logLines: readonly Record<string, unknown>[];
  /** Everything logged so far as it was written: for secrets that must not be in it. */
  logText(): string;
  /** One sample by its full name with labels, as in `imapbouncer_leases_total{upstream="…"}`; the upstream label may be left out. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  metricsText(): Promise<string>;
  /** Polls the metrics until the predicate holds; there is no event for what only shows there. */
  until(
    predicate: (proxy: TestProxy) => Promise<boolean> | boolean,
    what: string,
    timeoutMs?: number,
  ): Promise<void>;
  /** Stops it, and fails if a session, a lease or an upstream connection is left. */
  stop(): Promise<void>;
}

/** @param environment - variables over the defaults of tests: plain text to the upstream, free ports, quick timeouts */
export async function startProxy(
  upstream: ProxyTarget,
  environment: Readonly<Record<string, string>> = {},
): Promise<TestProxy> {
  const written: string[] = [];
  const config = loadConfig({
    UPSTREAM_HOST: upstream.host,
    UPSTREAM_PORT: String(upstream.port),
    UPSTREAM_TLS: 'off',
    LISTEN: 'imap://127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    LOG_LEVEL: 'debug',
    RELEASE_TIMEOUT: '2s',
    ...environment,
  });
  const logger = createLogger(config.log, { write: (line) => written.push(line) });
  const app = await startApp({ config, logger, version: '0.0.0-test', revision: 'test' });
  const metricsText = async (): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${String(app.admin.port)}/metrics`);
    return response.text();
  };
  const proxy: TestProxy = {
    app,
    port: app.listeners[0]?.port ?? 0,
    get logLines() {
      return written.map((line) => JSON.parse(line) as Record<string, unknown>);
    },
    logText: () => written.join(''),
    metricsText,
    metric: async (name, labels = {}) => sumOf(await metricsText(), name, labels),
    until: async (predicate, what, timeoutMs = 5_000) => {
      const deadline = performance.now() + timeoutMs;
      while (!(await predicate(proxy))) {
        if (performance.now() > deadline) throw new Error(`not within ${String(timeoutMs)} ms: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    stop: async () => {
      await app.stop();
      const count = (text: string): number => proxy.logLines.filter(({ msg }) => msg === text).length;
      const [opened, ended] = [count('upstream connection opened'), count('upstream connection ended')];
      // The opening is logged for debugging only.
      if (config.log.level === 'debug' && opened !== ended)
        throw new Error(`${String(opened)} upstream connections opened, ${String(ended)} ended`);
      const faults = proxy.logLines.filter(
        ({ msg }) => typeof msg === 'string' && msg.startsWith('a defect'),
      );
      if (faults.length > 0) throw new Error(`the proxy logged a defect: ${JSON.stringify(faults[0])}`);
    },
  };
  return proxy;
}

/** The sum of a metric's samples whose labels include these. */
function sumOf(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  const samples = text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .filter((line) => wanted.every((label) => line.includes(label)));
  if (samples.length === 0) throw new Error(`no sample of ${name} with ${wanted.join(', ')}`);
  return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
