// Keeps what became of every APPEND, and compares it with what the mailboxes hold in the end.

/**
 * - `sent`: nobody has answered; it may be stored, once.
 * - `stored`: answered OK.
 * - `refused`: answered NO or BAD.
 * - `cut`: the client died within its literal; it must not be stored.
 */
export type AppendState = 'sent' | 'stored' | 'refused' | 'cut';

/** How often a mail of each state may be in its mailbox. */
const allowed: Readonly<Record<AppendState, readonly [least: number, most: number]>> = {
  sent: [0, 1],
  stored: [1, 1],
  refused: [0, 0],
  cut: [0, 0],
};

export class AppendLedger {
  readonly #states = new Map<string, AppendState>();

  /** @param id - of one mail of all users */
  note(id: string, state: AppendState): void {
    this.#states.set(id, state);
  }

  count(state: AppendState): number {
    return [...this.#states.values()].filter((one) => one === state).length;
  }

  /** What is wrong, in words. @param found - the id of each mail that is stored, as often as it is */
  audit(found: readonly string[]): string[] {
    const counts = new Map<string, number>();
    for (const id of found) counts.set(id, (counts.get(id) ?? 0) + 1);
    const strange = [...counts.keys()].filter((id) => !this.#states.has(id));
    const wrong = [...this.#states].flatMap(([id, state]) => {
      const [least, most] = allowed[state];
      const count = counts.get(id) ?? 0;
      return count < least || count > most ? [`the mail ${id} (${state}) is stored ${count} times`] : [];
    });
    return [...strange.map((id) => `the mail ${id} is stored, and nobody sent it`), ...wrong];
  }
}
