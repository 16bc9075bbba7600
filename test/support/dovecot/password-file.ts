// The users of a Dovecot instance, in a passwd-file that may change while the server runs.

import { utimes, writeFile } from 'node:fs/promises';

/** Names and passwords; the server sees a change up to a second later, so `Dovecot.setPassword` waits for it. */
export class PasswordFile {
  readonly #path: string;
  readonly #passwords: Map<string, string>;
  #writes = 0;

  constructor(path: string, passwords: ReadonlyMap<string, string>) {
    this.#path = path;
    this.#passwords = new Map(passwords);
  }

  get users(): string[] {
    return [...this.#passwords.keys()];
  }

  set(user: string, password: string): Promise<void> {
    this.#passwords.set(user, password);
    return this.write();
  }

  async write(): Promise<void> {
    const lines = [...this.#passwords].map(([user, password]) => `${user}:{PLAIN}${password}\n`);
    await writeFile(this.#path, lines.join(''), { mode: 0o644 });
    // Dovecot compares whole seconds and the size: a second change within one second would not be seen.
    this.#writes += 1;
    const time = Math.floor(Date.now() / 1_000) - 100_000 + this.#writes;
    await utimes(this.#path, time, time);
  }
}
