/** Owns the clients that wait for a connection: bounded, with a deadline, and fair over identities. */

import { ProxyError } from '../errors.js';

export interface Waiter<R> {
  readonly request: R;
  /** Monotonic milliseconds. */
  readonly enqueuedAt: number;
  readonly resolve: () => void;
}

export interface WaitQueueOptions {
  /** How many may wait in all; the next one is refused at once. */
  readonly maxWaiting: number;
  /** How long one may wait; 0 means that nobody waits. */
  readonly timeoutMs: number;
  readonly now: () => number;
}

/** One line per identity, served in turn, so that one identity with many clients can't starve another. */
export class WaitQueue<R> {
  readonly #lines = new Map<string, Set<Waiter<R>>>();
  readonly #rejects = new Map<Waiter<R>, (error: ProxyError) => void>();
  readonly #options: WaitQueueOptions;

  constructor(options: WaitQueueOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#rejects.size;
  }

  /** How long the client waits that has waited longest; 0 if nobody does. */
  get longestWaitMs(): number {
    const first = this.#rejects.keys().next().value;
    return first === undefined ? 0 : this.#options.now() - first.enqueuedAt;
  }

  /** How many wait in the line of `key`. */
  countWaiters(key: string): number {
    return this.#lines.get(key)?.size ?? 0;
  }

  /**
   * Waits in the line of `key` until {@link serve} grants the request.
   *
   * @param since - when the waiting began, if it is not for the first time; its deadline counts from there
   * @param signal - aborted when the client has gone
   * @throws ProxyError `queue_full`, `lease_timeout`, `cancelled`, or what {@link rejectAll} says
   */
  async wait(
    key: string,
    request: R,
    { since = this.#options.now(), signal }: { since?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const { maxWaiting, timeoutMs, now } = this.#options;
    if (signal?.aborted === true) throw new ProxyError('cancelled');
    if (timeoutMs === 0) throw new ProxyError('lease_timeout');
    if (this.size >= maxWaiting) throw new ProxyError('queue_full');
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', cancel);
        this.#remove(key, waiter);
      };
      const fail = (error: ProxyError): void => {
        leave();
        reject(error);
      };
      const cancel = (): void => {
        fail(new ProxyError('cancelled'));
      };
      const timer = setTimeout(
        () => {
          fail(new ProxyError('lease_timeout'));
        },
        since + timeoutMs - now(),
      );
      signal?.addEventListener('abort', cancel);
      const waiter: Waiter<R> = {
        request,
        enqueuedAt: since,
        resolve: () => {
          leave();
          resolve();
        },
      };
      const line = this.#lines.get(key) ?? new Set();
      line.add(waiter);
      this.#lines.set(key, line);
      this.#rejects.set(waiter, fail);
    });
  }

  /**
   * Offers what has become free, one identity after the other, until nobody takes any.
   *
   * @param tryGrant - takes what the request needs and says true, or says false and takes nothing
   */
  serve(tryGrant: (request: R) => boolean): void {
    for (let hasGranted = true; hasGranted;) {
      hasGranted = false;
      for (const [key, line] of [...this.#lines]) {
        const [waiter] = line;
        if (waiter === undefined || !tryGrant(waiter.request)) continue;
        hasGranted = true;
        // To the end of the round: whoever was served is the last to be served again.
        this.#lines.delete(key);
        this.#lines.set(key, line);
        waiter.resolve();
      }
    }
  }

  rejectAll(error: ProxyError): void {
    for (const reject of [...this.#rejects.values()]) reject(error);
  }

  #remove(key: string, waiter: Waiter<R>): void {
    const line = this.#lines.get(key);
    line?.delete(waiter);
    if (line?.size === 0) this.#lines.delete(key);
    this.#rejects.delete(waiter);
  }
}
