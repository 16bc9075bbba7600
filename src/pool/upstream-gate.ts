/** Owns whether the upstream may be asked now: how often in all, and whether it was too busy for an identity just now. */

import { asProxyError } from '../errors.js';
import type { ProxyError } from '../errors.js';
import type { UpstreamConnection } from '../upstream/connection.js';
import type { BackOff } from './back-off.js';
import type { ConnectionRate } from './connection-rate.js';

export class UpstreamGate {
  readonly #backOff: BackOff;
  readonly #rate: ConnectionRate;

  constructor(backOff: BackOff, rate: ConnectionRate) {
    this.#backOff = backOff;
    this.#rate = rate;
  }

  /** Why the upstream is not to be asked for this identity now: it was busy, and that was not long ago. */
  refusal(key: string): ProxyError | undefined {
    return this.#backOff.refusal(key);
  }

  /** Takes the right to one attempt. */
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
