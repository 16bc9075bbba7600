/** Owns whether one more connection of an identity may be opened, and whether it is any use to wait for one. */

import { ProxyError } from '../errors.js';
import type { IdentityPool } from './identity-pool.js';
import type { Pending } from './pending.js';
import type { UpstreamGate } from './upstream-gate.js';

export interface OpeningRulesOptions {
  readonly gate: Pick<UpstreamGate, 'refusal' | 'mayStart'>;
  readonly now: () => number;
}

export class OpeningRules {
  readonly #options: OpeningRulesOptions;

  constructor(options: OpeningRulesOptions) {
    this.#options = options;
  }

  /** Why it is no use to wait: nothing will come back, and nothing may be opened. No idle connection is what is wanted. */
  whyHopeless({ pool, source, token }: Pending): ProxyError | undefined {
    if ('open' in source && source.open === undefined)
      return pool.mayReturn(token) ? undefined : new ProxyError('upstream_lost');
    if (pool.hasBusy) return undefined;
    const refusal = this.#options.gate.refusal(pool.identity.key, false);
    // Whatever else it is, a login soon finds out, and the deadline is longer than that.
    return pool.connections === 0 || refusal?.code === 'pressure' ? refusal : undefined;
  }

  /**
   * Whether one more connection of the identity may be opened, as far as that doesn't depend on others.
   *
   * @param isReplacement - it takes the place of one that was closed for it
   */
  canOpen(pool: IdentityPool, isReplacement = false): boolean {
    const { gate } = this.#options;
    const hasConnection = pool.connections > 0 && !isReplacement;
    if (!pool.mayOpen || gate.refusal(pool.identity.key, hasConnection) !== undefined) return false;
    // Asked last: room is made only for somebody who may use it at once.
    return gate.mayStart();
  }

  /** Whether the request may have a connection opened now. @param ahead - how many of the same identity come first */
  mayOpen(pending: Pending, ahead: number): boolean {
    const { pool, connectionsBefore = 0 } = pending;
    return !this.#isWorthWaiting(pending, ahead) && this.canOpen(pool, pool.connections < connectionsBefore);
  }

  /** Whether it is in the way of an opening that the identity has a connection already, and nothing else is. */
  mayReplace(pending: Pending, ahead: number): boolean {
    const { pool } = pending;
    if (this.#isWorthWaiting(pending, ahead)) return false;
    return !this.canOpen(pool) && this.canOpen(pool, true);
  }

  #isWorthWaiting({ pool, patientUntil }: Pending, ahead: number): boolean {
    return pool.returning > ahead && this.#options.now() < patientUntil;
  }
}

/** Whether the server, or this host, lets the identity have no more connections than it has. */
export function isBusyForMore({ code }: ProxyError): boolean {
  return code === 'limit' || code === 'backoff' || code === 'ephemeral_ports';
}
