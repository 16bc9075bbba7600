// The scene of one fault: Bob, who is to notice nothing, Alice, to whom it happens, and what must hold when it is over.

import { expect } from 'vitest';
import type { RawClient } from '../support/raw-client.js';
import type { Script, UpstreamConnection } from '../support/scripted-upstream.js';
import type { Stage } from './stage.js';

/** What somebody may have said to a command: its status, or that the session was ended. */
export type Outcome = 'OK' | 'NO' | 'BAD' | 'ended';

const ANSWER = /^q (OK|NO|BAD)(?: .*)?\r\n/im;

export class FaultScene {
  readonly s: Stage;
  /** Every client by whose mail it may see. */
  readonly #clients = new Map<string, RawClient[]>();
  readonly #healers: (() => unknown)[] = [];
  readonly #rejections: unknown[] = [];
  readonly #noteRejection = (reason: unknown): void => void this.#rejections.push(reason);
  #bob: RawClient | undefined;

  constructor(s: Stage) {
    this.s = s;
    process.on('unhandledRejection', this.#noteRejection);
  }

  /** Bob has a lease and a mailbox selected, before anything happens. */
  async begin(): Promise<void> {
    this.#bob = await this.logIn('bob');
    expect((await this.#bob.command('SELECT INBOX')).status).toBe('OK');
  }

  async connect(user = 'alice'): Promise<RawClient> {
    const client = await this.s.connect();
    this.#clients.set(user, [...(this.#clients.get(user) ?? []), client]);
    return client;
  }

  async logIn(user = 'alice'): Promise<RawClient> {
    const client = await this.connect(user);
    expect(await client.command(`LOGIN ${user} secret`)).toMatchObject({ status: 'OK' });
    return client;
  }

  /** Alice with a lease and a mailbox selected. */
  async select(): Promise<{ client: RawClient; connection: UpstreamConnection }> {
    const client = await this.logIn();
    expect((await client.command('SELECT INBOX')).status).toBe('OK');
    return { client, connection: this.latest };
  }

  /** A connection of Alice's that was used and given back. */
  async pooled(): Promise<UpstreamConnection> {
    const { client, connection } = await this.select();
    await this.s.leave(client);
    await this.s.untilPool({ idle: 1, leased: 1, resetting: 0 });
    return connection;
  }

  /** Alice's connection that logged in last. */
  get latest(): UpstreamConnection {
    const connection = this.s.upstream.connections.findLast(({ user }) => user === 'alice');
    if (connection === undefined) throw new Error('Alice has no connection');
    return connection;
  }

  /** Changes the server until the fault is over. */
  script(fields: Partial<Script>): void {
    const { script } = this.s.upstream;
    const old = { ...script };
    Object.assign(script, fields);
    this.onHeal(() => Object.assign(script, old));
  }

  /** What has to be undone when the fault is over. */
  onHeal(heal: () => unknown): void {
    this.#healers.push(heal);
  }

  /** What is said to a command of Alice's, sent by a session that may be ended. */
  async outcome(client: RawClient, text: string): Promise<Outcome> {
    await client.send(`q ${text}\r\n`);
    await client.waitFor((unread) => ANSWER.test(unread) || /^\* BYE /im.test(unread) || client.hasEnded);
    const status = ANSWER.exec(client.unread)?.[1];
    return (status?.toUpperCase() ?? 'ended') as Outcome;
  }

  /** The fault is over and Alice's clients leave: everything that must hold after each fault. */
  async end(): Promise<void> {
    const { s } = this;
    for (const heal of this.#healers.splice(0)) await heal();
    for (const client of this.#clients.get('alice') ?? []) client.destroy();
    // A server that was hung sees by now who has left it.
    for (const { socket } of s.upstream.openConnections) socket.resume();
    await this.#expectBalance();
    await this.#expectMail(this.#bob!, 'bob');
    const next = await this.connect();
    await s.proxy.until(
      async () => (await next.command('LOGIN alice secret')).status === 'OK',
      'Alice is let in again',
      10_000,
    );
    await this.#expectMail(next, 'alice');
    await s.leave(next);
    await this.#expectBalance();
    this.#expectNoLeak();
    expect(this.#rejections, 'unhandled rejections').toEqual([]);
    expect(s.proxy.logText()).not.toContain('a defect');
  }

  dispose(): void {
    process.off('unhandledRejection', this.#noteRejection);
  }

  /** Opened is closed and live; the one lease is Bob's, who is the one session. */
  async #expectBalance(): Promise<void> {
    const { s } = this;
    await s.proxy.until(async () => (await s.sessions()) === 1, 'one session', 15_000);
    await s.untilPool({ connecting: 0, leased: 1, resetting: 0, probing: 0, closing: 0 });
    // What the server has ended a moment ago the proxy may not have heard of.
    const agree = async (): Promise<boolean> =>
      (await s.metric('upstream_connections')) === s.upstream.openConnections.length;
    await s.proxy.until(agree, 'server and proxy count the same connections');
    const [opened, closed, live] = await Promise.all([
      s.metric('upstream_connections_opened_total'),
      s.metric('upstream_connections_closed_total'),
      s.metric('upstream_connections'),
    ]);
    expect(opened, `opened; closed ${String(closed)}, live ${String(live)}`).toBe(closed + live);
    expect(s.logged('upstream connection opened') - s.logged('upstream connection ended')).toBe(live);
    expect(await s.metric('lease_waiters')).toBe(0);
    expect(s.upstream.openConnections).toHaveLength(live);
  }

  async #expectMail(client: RawClient, user: string): Promise<void> {
    expect((await client.command('SELECT INBOX')).status, `SELECT of ${user}`).toBe('OK');
    const { literals } = await client.command('UID FETCH 1:3 BODY.PEEK[]', 10_000);
    expect(literals).toHaveLength(3);
    expect(literals.every((body) => body.includes(`mark-of-${user} `))).toBe(true);
  }

  #expectNoLeak(): void {
    for (const [user, clients] of this.#clients) {
      const other = user === 'alice' ? 'bob' : 'alice';
      for (const client of clients) {
        expect(client.received.includes(`mark-of-${other}`), `mail of ${other}`).toBe(false);
        expect(client.received.includes(`(${other})`), `an answer to ${other}`).toBe(false);
      }
    }
  }
}
