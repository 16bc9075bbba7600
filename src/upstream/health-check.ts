/** Owns whether the upstream can be reached: seen from real traffic while it succeeds, else from a check. */

export interface UpstreamReadiness {
  readonly isReady: boolean;
  /** Why, in one line for people. */
  readonly reason: string;
}

/** Calls back once, later. Returns how to call it off. */
export type Scheduler = (callback: () => void, delayMs: number) => () => void;

export interface HealthCheckOptions {
  /** Resolves if the upstream greets as it should. */
  readonly probe: () => Promise<void>;
  /** From the end of a check to the next one, while one is needed. */
  readonly intervalMs: number;
  /** The upstream became reachable, or stopped being so. Must not throw. */
  readonly onChange: (isReady: boolean, reason: string) => void;
  /** @defaultValue a timer that keeps no process alive */
  readonly schedule?: Scheduler;
}

const UNKNOWN: UpstreamReadiness = { isReady: false, reason: 'the upstream has not been checked yet' };
const READY: UpstreamReadiness = { isReady: true, reason: 'ready' };

/**
 * Not ready until the first check or login succeeds. A failed connection only raises doubt, which a check settles:
 * one login that timed out must not take the proxy out of service.
 */
export class HealthCheck {
  readonly #options: HealthCheckOptions;
  readonly #schedule: Scheduler;
  #readiness = UNKNOWN;
  #isRunning = false;
  #isProbing = false;
  #isDoubted = false;
  /** Raised by traffic that succeeds: a better witness than a check that was under way. */
  #successes = 0;
  /** Set from the end of a check until the next one may begin. */
  #cancelPause: (() => void) | undefined;

  constructor(options: HealthCheckOptions) {
    this.#options = options;
    this.#schedule = options.schedule ?? scheduleUnref;
  }

  get readiness(): UpstreamReadiness {
    return this.#readiness;
  }

  /** Checks at once. Safe to call twice. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    if (!this.#readiness.isReady) this.#probe();
  }

  /** No check begins after this, and one that is under way changes nothing. Safe to call twice. */
  stop(): void {
    this.#isRunning = false;
    this.#cancelPause?.();
    this.#cancelPause = undefined;
  }

  /** Real traffic has just reached the upstream. */
  noteSuccess(): void {
    this.#successes += 1;
    this.#isDoubted = false;
    this.#set(READY);
  }

  /** Real traffic failed to reach the upstream. */
  noteFailure(reason: string): void {
    this.#isDoubted = true;
    if (!this.#readiness.isReady) this.#set({ isReady: false, reason });
    if (this.#isRunning && this.#cancelPause === undefined) this.#probe();
  }

  #probe(): void {
    if (this.#isProbing) return;
    this.#isProbing = true;
    this.#isDoubted = false;
    const successes = this.#successes;
    void outcomeOf(this.#options.probe).then((outcome) => {
      this.#isProbing = false;
      if (!this.#isRunning) return;
      this.#cancelPause = this.#schedule(() => {
        this.#cancelPause = undefined;
        if (this.#isDoubted || !this.#readiness.isReady) this.#probe();
      }, this.#options.intervalMs);
      if (outcome.isReady || successes === this.#successes) this.#set(outcome);
    });
  }

  #set(readiness: UpstreamReadiness): void {
    const hasChanged = readiness.isReady !== this.#readiness.isReady || this.#readiness === UNKNOWN;
    this.#readiness = readiness;
    if (hasChanged) this.#options.onChange(readiness.isReady, readiness.reason);
  }
}

async function outcomeOf(probe: () => Promise<void>): Promise<UpstreamReadiness> {
  try {
    await probe();
    return READY;
  } catch (error) {
    return { isReady: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

function scheduleUnref(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, delayMs).unref();
  return () => {
    clearTimeout(timer);
  };
}
