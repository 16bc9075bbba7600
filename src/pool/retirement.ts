/** Owns the question whether a connection that nobody uses is to be closed, and why. */

import type { CloseReason } from '../upstream/connection.js';
import type { PooledConnection } from './identity-pool.js';

import type { PoolOptions } from './pool-options.js';

/** Connections that were opened together don't all have to be opened again together. */
const AGE_JITTER = 0.1;
const MIN_SWEEP_MS = 50;
const MAX_SWEEP_MS = 5_000;

type Limits = Pick<PoolOptions, 'mailboxCacheTtlMs' | 'maxAgeMs' | 'maxLeasesPerConnection'>;

export class RetirementPolicy {
  readonly #limits: Limits;
  readonly #now: () => number;

  constructor(limits: Limits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /** How often idle connections have to be looked at; milliseconds. */
  get sweepIntervalMs(): number {
    return Math.min(MAX_SWEEP_MS, Math.max(MIN_SWEEP_MS, this.#limits.mailboxCacheTtlMs / 4));
  }

  /** When a connection that is opened now is too old; monotonic milliseconds. */
  retireAt(): number {
    const { maxAgeMs } = this.#limits;
    const jitter = 1 + AGE_JITTER * (2 * Math.random() - 1);
    return maxAgeMs === 0 ? Infinity : this.#now() + maxAgeMs * jitter;
  }

  /** Why a connection that comes back is not to be lent again. */
  reasonAtRelease(pooled: PooledConnection): CloseReason | undefined {
    const { mailboxCacheTtlMs, maxLeasesPerConnection } = this.#limits;
    if (pooled.retireReason !== undefined) return pooled.retireReason;
    if (mailboxCacheTtlMs === 0) return 'idle';
    if (maxLeasesPerConnection > 0 && pooled.leases >= maxLeasesPerConnection) return 'leases';
    return this.#now() >= pooled.retireAt ? 'age' : undefined;
  }

  /** Why an idle connection is to go now. */
  reasonWhileIdle(pooled: PooledConnection): CloseReason | undefined {
    const isIdleTooLong = this.#now() - pooled.idleSince >= this.#limits.mailboxCacheTtlMs;
    return isIdleTooLong ? 'idle' : this.reasonAtRelease(pooled);
  }
}
