// Counts what a Dovecot instance logged about its connections.

import { readFile } from 'node:fs/promises';
import { pollUntil } from './process-table.js';

/** The log file of one instance. Dovecot writes it a moment after the event: wait for a line before counting others. */
export class DovecotLog {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** The whole text so far; empty if there is no file. */
  text(): Promise<string> {
    return readFile(this.#path, 'utf8').catch(() => '');
  }

  /** How many lines match. */
  async count(pattern: RegExp): Promise<number> {
    const stateless = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
    return (await this.text()).split('\n').filter((line) => stateless.test(line)).length;
  }

  /** Waits until at least so many lines match. */
  async waitFor(pattern: RegExp, count = 1, timeoutMs = 10_000): Promise<void> {
    await pollUntil(
      async () => (await this.count(pattern)) >= count,
      `${String(count)} lines with ${String(pattern)} in the log`,
      timeoutMs,
    );
  }

  /** Sessions that logged in. */
  countLogins(user?: string): Promise<number> {
    return this.count(new RegExp(`imap-login: Info: Login: user=<${pick(user)}>`));
  }

  /** Sessions that ended with LOGOUT. */
  countLogouts(user?: string): Promise<number> {
    return this.count(new RegExp(`imap\\(${pick(user)}\\)<.*Logged out`));
  }

  /** Sessions that ended without LOGOUT. */
  countDisconnects(user?: string): Promise<number> {
    return this.count(
      new RegExp(`imap\\(${pick(user)}\\)<.*(?:Connection closed|Disconnected(?!: Logged out))`),
    );
  }

  /** Wrong passwords and unknown users. */
  countFailedLogins(user?: string): Promise<number> {
    return this.count(
      new RegExp(`auth: Info: passwd-file\\(${pick(user)},.*(?:Password mismatch|unknown user)`),
    );
  }

  /** The processes that served a user's sessions, ended ones included. */
  async sessionPids(user: string): Promise<Set<number>> {
    const pattern = new RegExp(`Login: user=<${pick(user)}>.* mpid=(\\d+)`, 'g');
    return new Set([...(await this.text()).matchAll(pattern)].map((match) => Number(match[1])));
  }
}

function pick(user: string | undefined): string {
  return user === undefined ? '[^>)]*' : user.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
