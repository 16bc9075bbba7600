/** Owns the question whether an idle connection still lives: asked before reuse, and from time to time (RFC 9051 §5.4). */

import type { PoolEvents, PoolUpstream } from './pool-options.js';
import type { PooledConnection } from './identity-pool.js';

/** How long a server may take for the NOOP; a client waits for it. */
const PROBE_TIMEOUT_MS = 2_000;
/** How often idle connections are looked at, as a share of the interval between two keepalives. */
const LOOKS_PER_INTERVAL = 8;
const MAX_LOOK_MS = 10_000;

export interface ProverOptions {
  /** A connection that sat idle for longer is asked before it is lent; 0: always. */
  readonly probeAfterMs: number;
  /** An idle connection is asked this often; 0: never. */
  readonly keepaliveIntervalMs: number;
  readonly upstream: Pick<PoolUpstream, 'reset'>;
  readonly events: Pick<PoolEvents, 'onProbed'>;
  readonly idle: () => Iterable<PooledConnection>;
  readonly now: () => number;
}

export class Prover {
  readonly #options: ProverOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ProverOptions) {
    this.#options = options;
    if (options.keepaliveIntervalMs > 0) this.#lookLater();
  }

  /** Whether the connection may be lent without a question. */
  isFresh({ proof, provenAt }: PooledConnection): boolean {
    const { probeAfterMs, now } = this.#options;
    return proof === undefined && probeAfterMs > 0 && now() - provenAt < probeAfterMs;
  }

  /** Asks it, once at a time. A connection that doesn't answer is closed. Never rejects. */
  prove(pooled: PooledConnection): Promise<boolean> {
    pooled.proof ??= this.#ask(pooled).then((isAlive) => {
      pooled.proof = undefined;
      return isAlive;
    });
    return pooled.proof;
  }

  /** Ends the keepalives. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  async #ask(pooled: PooledConnection): Promise<boolean> {
    const { upstream, events, now } = this.#options;
    const { connection } = pooled;
    // Nothing was sent since it was given back: the barrier is a NOOP, and proves that it still answers.
    const isAlive =
      connection.isUsable && (await upstream.reset(connection, {}, PROBE_TIMEOUT_MS)) === 'clean';
    pooled.provenAt = now();
    events.onProbed(isAlive);
    if (!isAlive) connection.destroy('probe');
    return isAlive;
  }

  /** Keepalive is not use: the time since the last lease goes on. */
  #look(): void {
    const { idle, keepaliveIntervalMs, now } = this.#options;
    for (const pooled of [...idle()]) {
      if (pooled.proof === undefined && now() - pooled.provenAt >= keepaliveIntervalMs)
        void this.prove(pooled);
    }
    this.#lookLater();
  }

  #lookLater(): void {
    const delayMs = Math.min(MAX_LOOK_MS, this.#options.keepaliveIntervalMs / LOOKS_PER_INTERVAL);
    this.#timer = setTimeout(() => {
      this.#look();
    }, delayMs).unref();
  }
}
