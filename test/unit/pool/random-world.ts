// Clients, a server and an administrator who do things at random to the pools; the same things for the same seed.

import { expect, vi } from 'vitest';
import { ProxyError } from '../../../src/errors.js';
import type { Lease } from '../../../src/pool/lease.js';
import type { PoolOptions } from '../../../src/pool/pool-options.js';
import { INDIFFERENT } from '../../../src/upstream/connection.js';
import type { UpstreamConnection } from '../../../src/upstream/connection.js';
import { PoolFixture, enableRequest, identityFor, run, settled } from '../../support/pool-fixture.js';
import { checkAlways, checkAtRest, checkLent } from './pool-invariants.js';
import type { Known, Wish } from './pool-invariants.js';
import { SeededChoice } from './seeded-choice.js';

const USERS = ['alice', 'bob', 'carol', 'dave', 'erin'] as const;
const ENABLES = [
  undefined,
  undefined,
  'CONDSTORE',
  'UTF8=ACCEPT',
  'QRESYNC',
  'UTF8=ACCEPT CONDSTORE',
] as const;
const TOKENS = ['', '', '', 'token-1', 'token-2'] as const;
const VERBS = ['NOOP', 'SELECT', 'CLOSE', 'FETCH'] as const;
export const LIMITS = { maxConnections: 6, maxConnectionsPerUser: 3 };
/** Longer than a client waits for a round trip, and than it takes until somebody looks. */
const ATTENTION_MS = 250;

/** A request without an answer. */
interface Asking extends Wish {
  readonly abort: AbortController;
  readonly canLogIn: boolean;
}

export class RandomWorld {
  readonly fixture: PoolFixture;
  readonly #choice: SeededChoice;
  readonly #hasRate: boolean;
  readonly #leases = new Map<Lease, Wish>();
  readonly #asking = new Set<Asking>();
  readonly #unadopted = new Set<UpstreamConnection>();
  readonly #credentials = new Map<string, readonly [object, object]>(USERS.map((user) => [user, [{}, {}]]));
  /** What was found wrong where nobody waits for it. */
  readonly #wrong: unknown[] = [];
  #exchanging = 0;
  #adopting = 0;

  constructor(seed: number, options: Partial<PoolOptions>, perMinute: number) {
    this.#choice = new SeededChoice(seed);
    this.#hasRate = perMinute > 0;
    this.fixture = new PoolFixture({ ...LIMITS, ...options }, perMinute);
    this.fixture.holdsLogins = true;
  }

  get #known(): Known {
    return { ...LIMITS, leases: this.#leases, exchanging: this.#exchanging, unadopted: this.#unadopted };
  }

  async step(at: string): Promise<void> {
    await this.#choice.of(this.#operations)?.();
    checkAlways(this.fixture, this.#known, at);
    expect(this.#wrong, at).toEqual([]);
  }

  /** Between two microtasks a connection may be between two counts; at rest it may not. */
  async rest(at: string): Promise<void> {
    await settled();
    checkAtRest(this.fixture, this.#known, at);
  }

  /** Whoever holds something gives it back, and every login gets its answer: nobody may be left over. */
  async end(): Promise<void> {
    const { server, held, pools } = this.fixture;
    server.logoutManner = 'close';
    server.manners.clear();
    for (
      let round = 0;
      this.#asking.size + this.#exchanging + this.#adopting + this.#leases.size > 0;
      round += 1
    ) {
      expect(round, 'rounds').toBeLessThan(400);
      await settled(5);
      for (const login of [...held]) login.succeed();
      await settled(5);
      for (const lease of [...this.#leases.keys()]) this.#end(lease, () => lease.release({}));
      await vi.advanceTimersByTimeAsync(100);
    }
    await settled();
    expect(pools.snapshot).toMatchObject({ connecting: 0, leased: 0, waiting: 0, quiet: 0, probing: 0 });
    // What a client left running has a deadline, and what closes, too.
    await vi.advanceTimersByTimeAsync(2_500);
    await settled();
    expect(pools.snapshot).toMatchObject({ resetting: 0, closing: 0, idle: server.open.length });
    expect(this.#wrong).toEqual([]);
  }

  /** How often, and what; gentle things are frequent, so that connections live to be lent again. */
  readonly #operations: readonly (() => void | Promise<void>)[] = (
    [
      [16, () => this.#ask()],
      [1, () => this.#adopt()],
      [6, () => this.#exchange()],
      [14, () => this.#login()],
      [10, () => this.#withLease((lease) => this.#end(lease, () => lease.release({})))],
      [6, () => this.#withLease((lease) => this.#end(lease, () => this.#leave(lease)))],
      [4, () => this.#withLease((lease) => lease.connection.isQuiet && run(lease, this.#choice.of(VERBS)))],
      [1, () => this.#withLease((lease) => this.#end(lease, () => this.#leaveDirty(lease)))],
      [1, () => this.#withLease((lease) => this.#end(lease, () => lease.discard('dirty')))],
      [8, () => this.#withLease((lease) => this.#becomeQuiet(lease))],
      [1, () => this.#choice.of([...this.#asking])?.abort.abort()],
      [1, () => this.#disturb()],
      [1, () => this.#changeManners()],
      [1, () => this.#revoke()],
      [1, () => this.#choice.isTrue(0.2) && this.#reconnect()],
      [1, () => this.#advance(5_000)],
      [4, () => this.#advance(300)],
      [6, () => this.#advance(60)],
      [4, () => settled(3)],
      [4, () => this.#hop()],
    ] as const
  ).flatMap(([times, what]) => Array<() => void | Promise<void>>(times).fill(() => what() || undefined));

  async #advance(mostMs: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(this.#choice.below(mostMs));
  }

  async #hop(): Promise<void> {
    for (let hops = this.#choice.below(8); hops > 0; hops -= 1) await Promise.resolve();
  }

  #ask(): void {
    const user = this.#choice.of(USERS);
    const text = this.#choice.of(ENABLES);
    const enable = text === undefined ? undefined : enableRequest(text);
    const canLogIn = this.#choice.isTrue(0.9);
    const abort = new AbortController();
    const token = this.#choice.of(TOKENS);
    const asking = { user, set: enable?.set, token, abort, canLogIn };
    this.#asking.add(asking);
    const lease = this.fixture.acquire(user, {
      credential: this.#choice.of(this.#credentials.get(user)!),
      token,
      enable,
      isSwap: this.#choice.isTrue(0.3),
      signal: abort.signal,
      ...(canLogIn ? {} : { open: undefined }),
    });
    void this.#follow(lease, asking).finally(() => this.#asking.delete(asking));
  }

  #adopt(): void {
    const user = this.#choice.of(USERS);
    const token = this.#choice.of(TOKENS);
    const verified = this.fixture.open(user, token);
    this.#unadopted.add(verified);
    const credential = this.#choice.of(this.#credentials.get(user)!);
    const adopting = this.fixture.pools.adopt({ identity: identityFor(user), credential, token }, verified);
    this.#adopting += 1;
    void this.#follow(adopting, { user, set: undefined, token }).finally(() => (this.#adopting -= 1));
  }

  /** As a session does: of a connection in the authenticated state, with nothing outstanding and nothing enabled. */
  #exchange(): void {
    const ready = [...this.#leases].filter(
      ([{ connection, isPristine }]) =>
        isPristine && connection.isUsable && connection.ledger.selected === 'no',
    );
    const [lease, wish] = this.#choice.of(ready) ?? [];
    if (lease === undefined || wish === undefined) return;
    const enable = enableRequest(this.#choice.of(ENABLES) ?? 'CONDSTORE');
    this.#leases.delete(lease);
    lease.holder = undefined;
    lease.connection.attach(INDIFFERENT);
    this.#exchanging += 1;
    const exchanging = this.fixture.pools.exchange(lease, enable);
    void this.#follow(exchanging, { ...wish, set: enable.set }).finally(() => (this.#exchanging -= 1));
  }

  async #follow(asking: Promise<Lease | undefined>, wish: Wish): Promise<void> {
    try {
      const lease = await asking;
      if (lease !== undefined) this.#hold(lease, wish);
    } catch (error) {
      if (!(error instanceof ProxyError)) this.#wrong.push(error);
    }
  }

  #hold(lease: Lease, wish: Wish): void {
    const { connection } = lease;
    this.#unadopted.delete(connection);
    this.#leases.set(lease, wish);
    // As a session does: a lease on a connection that has died ends at once.
    const lost = (): void => this.#end(lease, () => lease.discard('error'));
    connection.attach({ ...INDIFFERENT, onClosed: lost });
    if (connection.isUsable) checkLent(this.fixture, lease, wish, 'a lease');
    else lost();
  }

  #withLease(what: (lease: Lease) => void): void {
    const lease = this.#choice.of([...this.#leases.keys()]);
    if (lease !== undefined) what(lease);
  }

  #end(lease: Lease, how: () => void): void {
    if (this.#leases.delete(lease)) how();
  }

  #leave(lease: Lease): void {
    if (lease.connection.isQuiet) run(lease, this.#choice.of(VERBS));
    lease.release({});
  }

  #leaveDirty(lease: Lease): void {
    lease.markDirty();
    lease.release({});
  }

  /** Something happens to a connection, whoever has it. */
  #disturb(): void {
    const session = this.#choice.of(this.fixture.server.open);
    if (session === undefined) return;
    switch (this.#choice.below(4)) {
      case 0:
        session.end();
        break;
      case 1:
        session.break();
        break;
      case 2:
        session.send('* BYE bye\r\n');
        break;
      default:
        session.send(this.#choice.of(['* OK here\r\n', 'x OK\r\n']));
    }
  }

  #becomeQuiet(lease: Lease): void {
    lease.holder = {
      isInIdle: this.#choice.isTrue(0.7),
      quietSince: performance.now(),
      reclaim: () => this.#end(lease, () => lease.release({})),
    };
  }

  #login(): void {
    const login = this.#choice.of(this.fixture.held);
    if (login === undefined) return;
    const chance = this.#choice.below(20);
    if (chance < 17) login.succeed();
    else login.fail(new ProxyError((['refused', 'limit', 'credentials'] as const)[chance - 17]!));
  }

  #changeManners(): void {
    const { server } = this.fixture;
    const isBad = this.#choice.isTrue(0.3);
    server.logoutManner = isBad ? 'ignore' : 'close';
    for (const command of ['NOOP', 'ENABLE', 'UNSELECT', 'FETCH'])
      server.manners.set(
        command,
        isBad ? this.#choice.of(['answer', 'refuse', 'ignore', 'close']) : 'answer',
      );
  }

  #revoke(): void {
    const user = this.#choice.of(USERS);
    this.fixture.pools.revoke(identityFor(user), this.#choice.of(this.#credentials.get(user)!));
  }

  #reconnect(): void {
    this.fixture.pools.reconnect();
    expect(this.fixture.pools.snapshot.idle, 'idle after a reconnect').toBe(0);
  }

  /** Who may have a connection opened, by everything that is seen from outside, doesn't wait for long. */
  async checkNobodyForgotten(at: string): Promise<void> {
    await settled();
    const free = [...this.#asking].filter((asking) => !this.#isHeldUp(asking));
    if (free.length === 0) return;
    await vi.advanceTimersByTimeAsync(ATTENTION_MS);
    await settled();
    const forgotten = free.filter((asking) => this.#asking.has(asking) && !this.#isHeldUp(asking));
    expect(
      forgotten.map(({ user }) => user),
      `${at}: forgotten`,
    ).toEqual([]);
  }

  #isHeldUp({ user, canLogIn }: Asking): boolean {
    const { server, held, pools, users, backOff } = this.fixture;
    const { connecting, probing, resetting } = pools.snapshot;
    // Else it may be on its way without being in the queue, or is patient.
    const isClear = connecting === held.length && probing + resetting + this.#exchanging === 0;
    const open = server.open.filter(({ connection }) => !this.#unadopted.has(connection));
    const count = open.filter(({ connection }) => users.get(connection) === user).length;
    return (
      !isClear ||
      !canLogIn ||
      this.#hasRate ||
      open.length + held.length >= LIMITS.maxConnections ||
      count >= LIMITS.maxConnectionsPerUser ||
      held.some((login) => login.user === user) ||
      backOff.refusal(identityFor(user).key) !== undefined
    );
  }
}
