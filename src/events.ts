/** Owns what is told to the log and the metrics of each thing that happens; nothing here decides anything. */

import type { ClientTlsEvents } from './client-tls.js';
import type { RegistryEvents } from './downstream/session-registry.js';
import type { ProxyError } from './errors.js';
import type { Logger } from './log.js';
import type { ProxyMetrics } from './metrics/proxy-metrics.js';
import type { CredentialLookup } from './pool/authenticator.js';
import type { CredentialEviction } from './pool/credential-cache.js';
import type { PoolEvents } from './pool/pool-options.js';
import type { Ports, PortsOptions } from './ports/ports.js';
import type { UpstreamEvents } from './upstream/connect.js';
import type { HealthCheck, HealthCheckOptions } from './upstream/health-check.js';

export interface EventTargets {
  readonly logger: Logger;
  readonly metrics: ProxyMetrics;
  readonly health: HealthCheck;
  readonly ports: Ports;
  readonly upstreamName: string;
}

export interface AppEvents {
  readonly session: RegistryEvents;
  readonly pool: PoolEvents;
  readonly upstream: UpstreamEvents;
  readonly onCredentialEvicted: (reason: CredentialEviction) => void;
  readonly onCredentialLookup: (lookup: CredentialLookup) => void;
  readonly onFault: (error: unknown) => void;
}

export function eventsFor({ logger, metrics, health, ports, upstreamName }: EventTargets): AppEvents {
  const onFault = (err: unknown): void => {
    logger.error({ err }, 'a defect: one connection was closed for it');
  };
  return {
    onFault,
    session: {
      onAccepted: (listener) => {
        metrics.clients.accepted(listener);
      },
      onRejected: (reason, details) => {
        metrics.clients.rejected(reason);
        if (details === undefined) return;
        const { isQuiet, ...fields } = details;
        // A listener for PROXY headers is for few, and whoever is wrong there has to be put right.
        const level = reason === 'proxy_header' && !isQuiet ? 'warn' : 'debug';
        logger[level]({ reason, ...fields }, 'client turned away');
      },
      onLogin: (outcome, durationMs) => {
        metrics.clients.login(outcome, durationMs);
      },
      onLoginFailed: (error, attempt) => {
        metrics.clients.loginFailed(error);
        logger.warn({ ...attempt, reason: error.code }, 'login failed');
      },
      onCommand: ({ verb }) => {
        metrics.clients.command(verb);
      },
      onClosed: ({ identity, ...summary }) => {
        metrics.clients.sessionClosed(summary.bytesReceived, summary.bytesSent);
        const durationMs = Math.round(summary.durationMs);
        logger.info({ ...summary, user: identity?.name, durationMs }, 'session ended');
      },
    },
    pool: {
      onLeased: ({ key }, isReuse, waitedMs) => {
        ports.leased(key);
        metrics.pools.leased(isReuse, waitedMs);
      },
      onReturned: ({ key }) => {
        ports.returned(key);
      },
      onSwapped: ({ key }) => {
        ports.leased(key);
        metrics.pools.swapped();
      },
      onLeaseEnded: (heldMs) => {
        metrics.pools.leaseEnded(heldMs);
      },
      onRejected: (error) => {
        metrics.pools.leaseRejected(error);
      },
      onReset: (outcome) => {
        metrics.pools.reset(outcome);
      },
      onProbed: (isAlive) => {
        metrics.pools.probed(isAlive);
      },
      onPoolCreated: () => {
        metrics.pools.poolCreated();
      },
      onPoolEvicted: (reason) => {
        metrics.pools.poolEvicted(reason);
      },
      onReclaimed: ({ name }, count) => {
        logger.warn({ user: name, count }, 'others waited for what quiet sessions held: they give it back');
      },
      onFault,
    },
    upstream: {
      onDialing: () => {
        ports.opening();
      },
      onDialed: (endpoint) => {
        ports.established(endpoint);
      },
      onDialFailed: ({ code }) => {
        ports.failed(code === 'ephemeral_ports');
      },
      onSourceFailed: (address, { message }) => {
        logger.warn({ address, detail: message }, 'a source address can not be used, the others serve');
      },
      onSocketClosed: (initiator) => {
        ports.closed(initiator);
      },
      onConnectStarted: () => {
        metrics.upstream.connectStarted();
      },
      onOpened: (connection, durationMs) => {
        metrics.upstream.opened(durationMs);
        health.noteSuccess();
        logger.debug({ connection: connection.id, port: connection.localPort }, 'upstream connection opened');
      },
      onConnectFailed: (error) => {
        metrics.upstream.connectFailed(error);
        noteFailure(health, error);
        const fields = { upstream: upstreamName, reason: error.code, detail: error.message };
        if (error.blame === 'client') logger.debug(fields, 'upstream login refused');
        else logger.warn(fields, 'upstream connection failed');
      },
      onClosed: (connection, end, ageMs) => {
        const { bytesReceived, bytesSent, id } = connection;
        metrics.upstream.closed(end, bytesReceived, bytesSent);
        logger.info(
          { connection: id, ...end, ageMs: Math.round(ageMs), bytesReceived, bytesSent },
          'upstream connection ended',
        );
      },
    },
    onCredentialEvicted: (reason) => {
      metrics.auth.evicted(reason);
    },
    onCredentialLookup: (lookup) => {
      metrics.auth.lookedUp(lookup);
    },
  };
}

/** Wrong credentials, credentials of a kind that it does not take, and busy users say nothing about the server's health. */
function noteFailure(health: HealthCheck, error: ProxyError): void {
  if (error.blame === 'client' || error.code === 'limit') health.noteSuccess();
  else health.noteFailure(`${error.code}: ${error.message}`);
}

/** What is told of the server's health, when that changes. */
export function healthEvents(logger: Logger, upstreamName: string): Pick<HealthCheckOptions, 'onChange'> {
  return {
    onChange: (isReady, reason) => {
      if (isReady) logger.info({ upstream: upstreamName }, 'upstream is ready');
      else logger.warn({ upstream: upstreamName, reason }, 'upstream is not ready');
    },
  };
}

/** What is told of the certificate that clients are shown. */
export function clientTlsEvents(logger: Logger): ClientTlsEvents {
  return {
    onRenewed: () => {
      logger.info({}, 'clients are shown the certificate of the changed files from now on');
    },
    onNotRenewed: (err) => {
      const reason = err instanceof Error ? err.message : String(err);
      logger.warn({ reason }, 'the TLS files have changed and can not be used: the certificate before stays');
    },
  };
}

/** What is told of the ports: when they run short, and when they will. */
export function portEvents(logger: Logger): Pick<PortsOptions, 'onExhausting' | 'onPressure'> {
  return {
    onExhausting: ({ current, predictedPorts, loginsPerSecond, recommendedTtlMs = 0 }, limit) => {
      logger.warn(
        {
          logins_per_second: rounded(loginsPerSecond),
          upstream_logins_per_second: rounded(current.upstreamLoginsPerSecond),
          predicted_ports: Math.round(predictedPorts),
          limit,
          mailbox_cache_ttl_seconds: current.ttlMs / 1_000,
          recommended_seconds: recommendedTtlMs / 1_000,
        },
        `with MAILBOX_CACHE_TTL=${String(current.ttlMs / 1_000)}s these logins will use up the ports: set it to ${String(recommendedTtlMs / 1_000)}s`,
      );
    },
    onPressure: (level, { open, timeWait }) => {
      const fields = { pressure: level, open, time_wait: timeWait };
      if (level === 'none') logger.info(fields, 'ports towards the upstream are plenty again');
      else logger.warn(fields, 'ports towards the upstream are running short');
    },
  };
}

function rounded(rate: number): number {
  return Math.round(rate * 10) / 10;
}
