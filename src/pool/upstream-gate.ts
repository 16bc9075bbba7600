/** Owns whether the upstream may be asked now: how often in all, for whom it was too busy, and whether ports are short. */

import { ProxyError, asProxyError } from '../errors.js';
import type { UpstreamConnection } from '../upstream/connection.js';
import type { BackOff } from './back-off.js';
import type { ConnectionRate } from './connection-rate.js';

/**
 * How short something is that connections take: from `medium` on none is opened for an identity that has one, and
 * none at all while it is `high`.
 */
export type Pressure = 'none' | 'medium' | 'high';

export class UpstreamGate {
  readonly #backOff: BackOff;
  readonly #rate: ConnectionRate;
  readonly #pressure: () => Pressure;

  constructor(backOff: BackOff, rate: ConnectionRate, pressure: () => Pressure) {
    this.#backOff = backOff;
    this.#rate = rate;
    this.#pressure = pressure;
  }

  /**
   * Why no connection is to be opened for this identity now.
   *
   * @param hasConnection - whether it has one already
   * @returns an error `backoff` or `pressure`; undefined if one may be opened
   */
  refusal(key: string, hasConnection: boolean): ProxyError | undefined {
    const pressure = this.#pressure();
    if (pressure === 'high' || (pressure === 'medium' && hasConnection)) return new ProxyError('pressure');
    return this.#backOff.refusal(key);
  }

  /** Whether the upstream was too busy for the identity, and that was not long ago. */
  isBackingOff(key: string): boolean {
    return this.#backOff.refusal(key) !== undefined;
  }

  /** Whether one more attempt may be made now. */
  mayStart(): boolean {
    return this.#rate.hasToken();
  }

  /** Takes the right to an attempt that {@link mayStart}. */
  start(): void {
    this.#rate.tryTake();
  }

  /** Takes the right to one attempt, if there is one. */
  tryStart(): boolean {
    return this.#rate.tryTake();
  }

  /**
   * Makes an attempt and learns from it.
   *
   * @throws ProxyError of `open`; `backoff` if the upstream was too busy for the identity just now
   */
  async open(key: string, open: () => Promise<UpstreamConnection>): Promise<UpstreamConnection> {
    this.#backOff.begin(key);
    try {
      const connection = await open();
      this.#backOff.succeeded(key);
      return connection;
    } catch (error) {
      const failure = asProxyError(error);
      if (failure.isBusy) this.#backOff.failed(key, failure);
      else this.#backOff.abandoned(key);
      throw failure;
    }
  }
}
