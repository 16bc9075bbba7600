// Lets a test wait for a condition on something that changes, with a deadline that tells what was missing.

/** How long a wait may take unless its caller says otherwise, in milliseconds. */
export const defaultWaitMs = 5_000;

/** Wakes every waiter each time its owner says that something changed; nobody polls and nobody sleeps. */
export class Changes {
  readonly #waiters = new Set<() => void>();

  /** Tells all waiters to look again. */
  notify(): void {
    for (const lookAgain of [...this.#waiters]) lookAgain();
  }

  /**
   * Resolves with the first value other than undefined that `check` returns; rejects with what `check` throws.
   *
   * @param check - looked at now and after every `notify()`
   * @param describe - says what was waited for and what is there instead; called only when the deadline passes
   * @param timeoutMs - 0 waits for ever. @defaultValue 5000
   */
  until<T>(check: () => T | undefined, describe: () => string, timeoutMs = defaultWaitMs): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const settle = (finish: () => void): void => {
        clearTimeout(timer);
        this.#waiters.delete(look);
        finish();
      };
      const look = (): void => {
        try {
          const value = check();
          if (value !== undefined) {
            settle(() => {
              resolve(value);
            });
          }
        } catch (error) {
          settle(() => {
            reject(error instanceof Error ? error : new Error(String(error)));
          });
        }
      };
      this.#waiters.add(look);
      if (timeoutMs > 0) {
        timer = setTimeout(() => {
          settle(() => {
            reject(new Error(`after ${String(timeoutMs)} ms still waiting for ${describe()}`));
          });
        }, timeoutMs);
      }
      look();
    });
  }
}
