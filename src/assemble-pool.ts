/** Owns the putting together of what is in pool/: who is let through to the upstream, and in which turn. */

import type { Config } from './config/config.js';
import { Authenticator } from './pool/authenticator.js';
import type { AuthenticatorOptions } from './pool/authenticator.js';
import { BackOff } from './pool/back-off.js';
import { ConnectionPools } from './pool/connection-pools.js';
import { ConnectionRate } from './pool/connection-rate.js';
import { CredentialCache } from './pool/credential-cache.js';
import type { CredentialCacheOptions } from './pool/credential-cache.js';
import type { PoolEvents } from './pool/pool-options.js';
import { UpstreamGate } from './pool/upstream-gate.js';
import type { Pressure } from './pool/upstream-gate.js';
import { VerificationLane } from './pool/verification-lane.js';
import { enable } from './upstream/enable.js';
import { resetConnection } from './upstream/reset.js';

export interface PoolAssemblyOptions
  extends
    Pick<AuthenticatorOptions, 'upstreamName' | 'connect' | 'onLookup'>,
    Pick<CredentialCacheOptions, 'onEvicted'> {
  readonly config: Pick<Config, 'pool' | 'auth'>;
  /** How short ports are. */
  readonly pressure: () => Pressure;
  readonly events: PoolEvents;
  readonly now: () => number;
}

export interface PoolAssembly {
  readonly authenticator: Authenticator;
  readonly pools: ConnectionPools;
  readonly cache: CredentialCache;
  readonly rate: ConnectionRate;
}

/** The caller must drain the pools, and then dispose of the rate. */
export function assemblePool(options: PoolAssemblyOptions): PoolAssembly {
  const { config, events, now, upstreamName, connect, onLookup, onEvicted } = options;
  let isLanesTurn = false;
  const rate = new ConnectionRate({
    perMinute: config.pool.maxConnectionRatePerMinute,
    now,
    onAvailable: () => {
      // In turn: else those who come second never get any of a low rate.
      isLanesTurn = !isLanesTurn;
      if (isLanesTurn) lane.serve();
      pools.serve();
      if (!isLanesTurn) lane.serve();
    },
  });
  const gate = new UpstreamGate(new BackOff({ now }), rate, options.pressure);
  const lane: VerificationLane = new VerificationLane({
    maxWaiting: config.pool.acquireMaxWaiting,
    timeoutMs: config.pool.acquireTimeoutMs,
    now,
    // Whoever is going to be refused anyway needs no attempt.
    mayStart: ({ identityKey }) => gate.isBackingOff(identityKey) || gate.tryStart(),
  });
  const upstream = { reset: resetConnection, enable };
  const pools: ConnectionPools = new ConnectionPools(config.pool, upstream, gate, events, now);
  const cache = new CredentialCache({
    ttlMs: config.auth.cacheTtlMs,
    failureTtlMs: config.auth.failureTtlMs,
    max: config.auth.cacheMax,
    onEvicted,
  });
  const authenticator = new Authenticator({ upstreamName, connect, pools, cache, lane, gate, onLookup });
  return { authenticator, pools, cache, rate };
}
