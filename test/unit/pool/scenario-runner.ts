// Runs a scenario: does its steps over a server in memory, and looks after each one at what is expected.

import { expect, vi } from 'vitest';
import { ProxyError } from '../../../src/errors.js';
import { PoolFixture, enableRequest, identityFor, run, settled } from '../../support/pool-fixture.js';
import { checkAtRest } from './pool-invariants.js';
import { checkExpected } from './scenario-check.js';
import { ScenarioSessions } from './scenario-sessions.js';
import type { LoginOutcome, Operation, Scenario } from './scenarios/scenario.js';

const REFUSALS: Readonly<Record<Exclude<LoginOutcome, 'ok'>, ProxyError>> = {
  limit: new ProxyError('limit', { upstreamRefusal: { responseCode: 'LIMIT', text: 'Too many of yours' } }),
  credentials: new ProxyError('credentials'),
  refused: new ProxyError('refused'),
};

export class ScenarioRunner {
  readonly #scenario: Scenario;
  readonly #fixture: PoolFixture;
  readonly #sessions: ScenarioSessions;
  readonly #credentials = new Map<string, object>();

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#fixture = new PoolFixture(scenario.options, scenario.perMinute);
    this.#sessions = new ScenarioSessions(this.#fixture);
  }

  async run(): Promise<void> {
    const { maxConnections = 100, maxConnectionsPerUser = 8 } = this.#scenario.options ?? {};
    for (const [index, step] of this.#scenario.steps.entries()) {
      await this.#do(step);
      if (step.op === 'acquire' && step.isFollowedAtOnce === true) continue;
      await settled();
      const at = `step ${index + 1}, ${JSON.stringify({ ...step, expect: undefined })}`;
      checkExpected(this.#fixture, this.#sessions, step.expect ?? {}, at);
      checkAtRest(
        this.#fixture,
        { leases: this.#sessions.leases, maxConnections, maxConnectionsPerUser },
        at,
      );
      expect(this.#sessions.wrong, at).toEqual([]);
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
        this.#sessions.leaseOf(step.lease).use();
        break;
      case 'discard':
        this.#sessions.end(step.lease).discard('dirty');
        break;
      case 'abort':
        this.#sessions.of(step.lease).abort.abort();
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
      case 'pressure':
        this.#fixture.pressure = step.level;
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

  #acquire({ user, as, enable, credential, token, canLogIn, isSwap }: Operation & { op: 'acquire' }): void {
    const request = enable === undefined ? undefined : enableRequest(enable);
    const session = this.#sessions.begin(as, { user, set: request?.set, token });
    const { signal } = session.abort;
    this.#sessions.follow(
      as,
      session,
      this.#fixture.acquire(user, {
        credential: this.#credential(credential),
        token,
        enable: request,
        signal,
        ...(canLogIn === false ? { open: undefined } : {}),
        ...(isSwap === true ? { isSwap } : {}),
      }),
    );
  }

  #adopt({ user, as, credential, token, isOutdated }: Operation & { op: 'adopt' }): void {
    const session = this.#sessions.begin(as, { user, set: undefined, token });
    const identity = identityFor(user);
    const { pools } = this.#fixture;
    const verified = this.#fixture.open(user, token);
    const startedIn = pools.generation;
    if (isOutdated === true) pools.reconnect();
    this.#sessions.follow(
      as,
      session,
      pools.adopt({ identity, token, credential: this.#credential(credential) }, verified, startedIn),
    );
  }

  #exchange(name: string, text: string): void {
    const session = this.#sessions.of(name);
    const lease = this.#sessions.leaseOf(name);
    const request = enableRequest(text);
    // As a session does: nobody is attached meanwhile.
    lease.connection.detach();
    session.set = request.set;
    this.#sessions.follow(name, session, this.#fixture.pools.exchange(lease, request));
  }

  #release({ lease: name, after, isDirty }: Operation & { op: 'release' }): void {
    const lease = this.#sessions.end(name);
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
    const lease = this.#sessions.leaseOf(name);
    const quietSince = isRunning && !isInIdle ? undefined : performance.now();
    lease.holder = {
      isInIdle,
      quietSince,
      reclaim: () => {
        this.#sessions.end(name).release({});
      },
    };
  }

  #credential(name: string | undefined): object {
    if (name === undefined) return this.#fixture.credential;
    const credential = this.#credentials.get(name) ?? {};
    this.#credentials.set(name, credential);
    return credential;
  }
}
