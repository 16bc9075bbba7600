// Runs a scenario: does its steps over a server in memory, and looks after each one at what is expected.

import { expect, vi } from 'vitest';
import { ProxyError } from '../../../src/errors.js';
import type { Lease } from '../../../src/pool/lease.js';
import { INDIFFERENT } from '../../../src/upstream/connection.js';
import { PoolFixture, enableRequest, identityFor, run, settled } from '../../support/pool-fixture.js';
import { checkAtRest, checkLent } from './pool-invariants.js';
import type { Expectation, LoginOutcome, Operation, Scenario } from './scenarios/scenario.js';

/** A session, as far as the pools see it. */
interface Session {
  readonly user: string;
  /** The set that it wants enabled. */
  set: string | undefined;
  readonly abort: AbortController;
  /** `nothing`: a connection that was handed over found no room. */
  state: Lease | ProxyError | 'waits' | 'ended' | 'nothing';
}

const REFUSALS: Readonly<Record<Exclude<LoginOutcome, 'ok'>, ProxyError>> = {
  limit: new ProxyError('limit', { upstreamRefusal: { responseCode: 'LIMIT', text: 'Too many of yours' } }),
  credentials: new ProxyError('credentials'),
  refused: new ProxyError('refused'),
};

export class ScenarioRunner {
  readonly #scenario: Scenario;
  readonly #fixture: PoolFixture;
  readonly #sessions = new Map<string, Session>();
  readonly #credentials = new Map<string, object>();
  /** What was wrong with a lease when it was granted. */
  readonly #wrong: unknown[] = [];

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#fixture = new PoolFixture(scenario.options, scenario.perMinute);
  }

  async run(): Promise<void> {
    for (const [index, step] of this.#scenario.steps.entries()) {
      await this.#do(step);
      await settled();
      const at = `step ${index + 1}, ${JSON.stringify({ ...step, expect: undefined })}`;
      this.#check(step.expect ?? {}, at);
      checkAtRest(this.#fixture, this.#known(), at);
      expect(this.#wrong, at).toEqual([]);
    }
  }

  /** Ends whatever the scenario left. */
  async end(): Promise<void> {
    await this.#fixture.drain();
    await vi.advanceTimersByTimeAsync(10_000);
    await settled();
  }

  checkNothingIsLeft(): void {
    expect(this.#fixture.server.open).toHaveLength(0);
    expect(this.#fixture.faults).toEqual([]);
    expect(vi.getTimerCount(), 'timers').toBe(0);
  }

  async #do(step: Operation): Promise<void> {
    const { pools, server } = this.#fixture;
    switch (step.op) {
      case 'acquire':
        this.#acquire(step);
        break;
      case 'adopt':
        this.#adopt(step);
        break;
      case 'exchange':
        this.#exchange(step.lease, step.enable);
        break;
      case 'release':
        this.#release(step);
        break;
      case 'use':
        this.#leaseOf(step.lease).use();
        break;
      case 'discard':
        this.#end(step.lease).discard('dirty');
        break;
      case 'abort':
        this.#session(step.lease).abort.abort();
        break;
      case 'logins':
        this.#fixture.holdsLogins = step.manner === 'hold';
        this.#fixture.loginError =
          step.manner === 'hold' || step.manner === 'ok' ? undefined : REFUSALS[step.manner];
        break;
      case 'login':
        this.#login(step.outcome, step.user);
        break;
      case 'advance':
        await vi.advanceTimersByTimeAsync(step.ms);
        break;
      case 'serverCloses': {
        const session = server.sessions[step.connection - 1]!;
        if (step.how === 'break') session.break();
        else if (step.how === 'bye') session.send('* BYE see you\r\n');
        else session.end();
        break;
      }
      case 'serverAnswers': {
        const session = server.sessions[step.connection - 1]!;
        session.send(`${session.lines.at(-1)!.split(' ')[0]!} OK\r\n`);
        break;
      }
      case 'server':
        if (step.command !== 'LOGOUT') server.manners.set(step.command, step.manner);
        else if (step.manner === 'close' || step.manner === 'ignore') server.logoutManner = step.manner;
        break;
      case 'holder':
        this.#holder(step);
        break;
      case 'reconnect':
        pools.reconnect();
        break;
      case 'revoke':
        pools.revoke(identityFor(step.user), this.#credential(step.credential));
        break;
      case 'drain':
        void pools.drain(step.ms);
        break;
    }
  }

  #acquire({ user, as, enable, credential, canLogIn, isSwap }: Operation & { op: 'acquire' }): void {
    const request = enable === undefined ? undefined : enableRequest(enable);
    const session = this.#begin(as, user, request?.set);
    const { signal } = session.abort;
    this.#follow(
      as,
      session,
      this.#fixture.acquire(user, {
        credential: this.#credential(credential),
        enable: request,
        signal,
        ...(canLogIn === false ? { open: undefined } : {}),
        ...(isSwap === true ? { isSwap } : {}),
      }),
    );
  }

  #adopt({ user, as, credential, isOutdated }: Operation & { op: 'adopt' }): void {
    const session = this.#begin(as, user, undefined);
    const identity = identityFor(user);
    const { pools } = this.#fixture;
    const verified = this.#fixture.open(user);
    const startedIn = pools.generation;
    if (isOutdated === true) pools.reconnect();
    this.#follow(
      as,
      session,
      pools.adopt({ identity, credential: this.#credential(credential) }, verified, startedIn),
    );
  }

  #exchange(name: string, text: string): void {
    const session = this.#session(name);
    const lease = this.#leaseOf(name);
    const request = enableRequest(text);
    // As a session does: nobody is attached meanwhile.
    lease.connection.detach();
    session.set = request.set;
    this.#follow(name, session, this.#fixture.pools.exchange(lease, request));
  }

  #release({ lease: name, after, isDirty }: Operation & { op: 'release' }): void {
    const lease = this.#end(name);
    if (after !== undefined) run(lease, after);
    if (isDirty === true) lease.markDirty();
    lease.release({});
  }

  #login(outcome: LoginOutcome, user: string | undefined): void {
    const login = this.#fixture.held.find((held) => user === undefined || held.user === user)!;
    if (outcome === 'ok') login.succeed();
    else login.fail(REFUSALS[outcome]);
  }

  #holder({ lease: name, isInIdle = false, isRunning = false }: Operation & { op: 'holder' }): void {
    const lease = this.#leaseOf(name);
    const quietSince = isRunning && !isInIdle ? undefined : performance.now();
    lease.holder = {
      isInIdle,
      quietSince,
      reclaim: () => {
        this.#end(name).release({});
      },
    };
  }

  #begin(name: string, user: string, set: string | undefined): Session {
    const session: Session = { user, set, abort: new AbortController(), state: 'waits' };
    this.#sessions.set(name, session);
    return session;
  }

  #follow(name: string, session: Session, asking: Promise<Lease | undefined>): void {
    asking
      .then((lease) => {
        session.state = lease ?? 'nothing';
        if (lease !== undefined) this.#hold(name, session, lease);
      })
      .catch((error: unknown) => {
        if (error instanceof ProxyError) session.state = error;
        else this.#wrong.push(error);
      });
  }

  #hold(name: string, session: Session, lease: Lease): void {
    // As a session does: a lease on a connection that has died ends at once.
    const lost = (): void => {
      if (session.state !== lease) return;
      session.state = 'ended';
      lease.discard('error');
    };
    lease.connection.attach({ ...INDIFFERENT, onClosed: lost });
    if (!lease.connection.isUsable) lost();
    else checkLent(this.#fixture, lease, session, name);
  }

  #session(name: string): Session {
    return this.#sessions.get(name)!;
  }

  #leaseOf(name: string): Lease {
    const { state } = this.#session(name);
    if (typeof state === 'string' || state instanceof ProxyError) throw new Error(`${name} has no lease`);
    return state;
  }

  #end(name: string): Lease {
    const lease = this.#leaseOf(name);
    this.#session(name).state = 'ended';
    return lease;
  }

  #credential(name: string | undefined): object {
    if (name === undefined) return this.#fixture.credential;
    const credential = this.#credentials.get(name) ?? {};
    this.#credentials.set(name, credential);
    return credential;
  }

  #known(): Parameters<typeof checkAtRest>[1] {
    const { maxConnections = 100, maxConnectionsPerUser = 8 } = this.#scenario.options ?? {};
    const held = [...this.#sessions.values()].flatMap((session) =>
      typeof session.state === 'string' || session.state instanceof ProxyError
        ? []
        : [[session.state, session] as const],
    );
    return { leases: new Map(held), maxConnections, maxConnectionsPerUser };
  }

  #check(expected: Expectation, at: string): void {
    const { pools, server, events, closed, held, attempts, evictions, waits } = this.#fixture;
    const stateOf = (name: string): unknown => {
      const { state } = this.#session(name);
      if (state instanceof ProxyError) return state.code;
      return typeof state === 'string' ? state : state.connection.id;
    };
    const seen: Record<keyof Expectation, unknown> = {
      leases: each(expected.leases, stateOf),
      events: expected.events === undefined ? undefined : events.splice(0),
      snapshot: each(expected.snapshot, (key) => pools.snapshot[key as keyof typeof pools.snapshot]),
      closed: { ...closed },
      held: held.map(({ user }) => user),
      attempts,
      enabled: Object.fromEntries(
        server.sessions
          .filter(({ enabled }) => enabled.length > 0)
          .map(({ connection, enabled }) => [connection.id, enabled]),
      ),
      replies: each(expected.replies, (name) => {
        const reply = this.#leaseOf(name).enabled?.reply;
        return reply === undefined ? 'none' : reply.untagged.toString().trim();
      }),
      reused: each(expected.reused, (name) => this.#leaseOf(name).isReuse),
      evictions,
      waits: waits.map(Math.round),
      words: each(expected.words, (name) => {
        const { state } = this.#session(name);
        return state instanceof ProxyError ? state.refusal.text : 'not refused';
      }),
    };
    for (const [key, value] of Object.entries(expected))
      expect(seen[key as keyof Expectation], `${at}: ${key}`).toEqual(value);
  }
}

function each(
  expected: object | undefined,
  look: (key: string) => unknown,
): Record<string, unknown> | undefined {
  if (expected === undefined) return undefined;
  return Object.fromEntries(Object.keys(expected).map((key) => [key, look(key)]));
}
