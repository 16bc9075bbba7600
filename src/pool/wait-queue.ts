/** Owns the clients that wait for a connection: bounded, with a deadline, and fair over identities. */

import { ProxyError } from '../errors.js';

export interface Waiter<R> {
  readonly request: R;
  /** Monotonic milliseconds. */
  readonly enqueuedAt: number;
  readonly resolve: () => void;
}

export interface WaitQueueOptions<R> {
  /** How many may wait in all; the next one is refused at once. */
  readonly maxWaiting: number;
  /** How long one may wait; 0 means that nobody waits. */
  readonly timeoutMs: number;
  readonly now: () => number;
  /** Whether a newcomer goes before one that waits in the same line already; by default nobody does. */
  readonly goesBefore?: (newcomer: R, waiting: R) => boolean;
}

/** How far one call of {@link WaitQueue.serve} has come in one line. */
interface Turn<R> {
  readonly line: ReadonlySet<Waiter<R>>;
  next: Waiter<R> | undefined;
  readonly behind: Iterator<Waiter<R>, undefined>;
}

/** One line per identity, served in turn, so that one identity with many clients can't starve another. */
export class WaitQueue<R> {
  readonly #lines = new Map<string, Set<Waiter<R>>>();
  readonly #rejects = new Map<Waiter<R>, (error: ProxyError) => void>();
  readonly #options: WaitQueueOptions<R>;

  constructor(options: WaitQueueOptions<R>) {
    this.#options = options;
  }

  get size(): number {
    return this.#rejects.size;
  }

  /** How long the client waits that has waited longest; 0 if nobody does. */
  get longestWaitMs(): number {
    const now = this.#options.now();
    let earliest = now;
    // Who waits for the second time stands behind others who began later.
    for (const { enqueuedAt } of this.#rejects.keys()) earliest = Math.min(earliest, enqueuedAt);
    return now - earliest;
  }

  /** How many wait in the line of `key`. */
  countWaiters(key: string): number {
    return this.#lines.get(key)?.size ?? 0;
  }

  /** Whether one waits in the line of `key` whose request is such. */
  hasWaiter(key: string, isSuch: (request: R) => boolean): boolean {
    for (const { request } of this.#lines.get(key) ?? []) if (isSuch(request)) return true;
    return false;
  }

  /**
   * Waits in the line of `key` until {@link serve} grants the request.
   *
   * @param since - when the waiting began, if it is not for the first time; its deadline counts from there
   * @param signal - aborted when the client has gone
   * @param isBounded - false: it may wait however many do
   * @throws ProxyError `queue_full`, `lease_timeout`, `cancelled`, or what {@link rejectAll} says
   */
  async wait(
    key: string,
    request: R,
    {
      since = this.#options.now(),
      signal,
      isBounded = true,
    }: { since?: number; signal?: AbortSignal | undefined; isBounded?: boolean } = {},
  ): Promise<void> {
    const { maxWaiting, timeoutMs, now } = this.#options;
    if (signal?.aborted === true) throw new ProxyError('cancelled');
    if (timeoutMs === 0) throw new ProxyError('lease_timeout');
    if (isBounded && this.size >= maxWaiting) throw new ProxyError('queue_full');
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
      this.#lines.set(key, this.#joined(this.#lines.get(key) ?? new Set(), waiter));
      this.#rejects.set(waiter, fail);
    });
  }

  /**
   * Offers what has become free, one identity after the other, until nobody takes any.
   *
   * @param tryGrant - takes what the request needs and says true, or takes nothing: false ends the turn of its line,
   *   `pass` goes on to the next one in it. What was passed over is not asked again by this call, so that it asks each
   *   waiter once, and the first of each line once more per round, however long the lines are.
   */
  serve(tryGrant: (request: R) => boolean | 'pass'): void {
    const turns = new Map<string, Turn<R>>();
    for (let hasGranted = true; hasGranted;) {
      hasGranted = false;
      for (const [key, line] of [...this.#lines]) {
        const turn = turns.get(key) ?? beginTurn(line);
        turns.set(key, turn);
        const waiter = nextGranted(turn, tryGrant);
        if (waiter === undefined) continue;
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

  #joined(line: Set<Waiter<R>>, newcomer: Waiter<R>): Set<Waiter<R>> {
    const { goesBefore } = this.#options;
    const waiters = goesBefore === undefined ? [] : [...line];
    const place = waiters.findIndex(({ request }) => goesBefore?.(newcomer.request, request));
    return place < 0 ? line.add(newcomer) : new Set(waiters.toSpliced(place, 0, newcomer));
  }

  #remove(key: string, waiter: Waiter<R>): void {
    const line = this.#lines.get(key);
    line?.delete(waiter);
    if (line?.size === 0) this.#lines.delete(key);
    this.#rejects.delete(waiter);
  }
}

function beginTurn<R>(line: ReadonlySet<Waiter<R>>): Turn<R> {
  const behind = line.values();
  return { line, next: behind.next().value, behind };
}

function nextGranted<R>(turn: Turn<R>, tryGrant: (request: R) => boolean | 'pass'): Waiter<R> | undefined {
  while (turn.next !== undefined) {
    const waiter = turn.next;
    // It may have left since it was refused.
    const answer = turn.line.has(waiter) ? tryGrant(waiter.request) : 'pass';
    if (answer === false) return undefined;
    turn.next = turn.behind.next().value;
    if (answer === true) return waiter;
  }
  return undefined;
}
