// Connection pools over a server in memory, with a clock that the test moves and logins that it may hold back.

import { ProxyError } from '../../src/errors.js';
import { identityOf } from '../../src/identity.js';
import type { Credentials, Identity } from '../../src/identity.js';
import { BackOff } from '../../src/pool/back-off.js';
import { ConnectionPools } from '../../src/pool/connection-pools.js';
import { ConnectionRate } from '../../src/pool/connection-rate.js';
import type { Lease } from '../../src/pool/lease.js';
import type { LeaseRequest, PoolOptions } from '../../src/pool/pool-options.js';
import { UpstreamGate } from '../../src/pool/upstream-gate.js';
import { enable } from '../../src/upstream/enable.js';
import { resetConnection } from '../../src/upstream/reset.js';
import type { CloseReason, UpstreamConnection } from '../../src/upstream/connection.js';
import { readEnableRequest } from '../../src/wire/enable.js';
import type { EnableRequest } from '../../src/wire/enable.js';
import { verbRow } from '../../src/wire/verbs.js';
import { MemoryServer } from './memory-server.js';

export interface HeldLogin {
  readonly user: string;
  succeed(): UpstreamConnection;
  fail(error: ProxyError): void;
}

export function credentialsOf(user: string, secret = 'secret'): Credentials {
  return {
    kind: 'password',
    authenticationId: Buffer.from(user),
    authorizationId: Buffer.alloc(0),
    secret: Buffer.from(secret),
  };
}

/** What a client asks for with `ENABLE <text>`. */
export function enableRequest(text: string): EnableRequest {
  const line = Buffer.from(`c ENABLE ${text}\r\n`);
  return readEnableRequest(line, 0, line.length)!;
}

export function identityFor(user: string): Identity {
  return identityOf('mail.example:143', credentialsOf(user));
}

const DEFAULTS: PoolOptions = {
  mailboxCacheTtlMs: 300_000,
  maxConnections: 100,
  maxConnectionsPerUser: 8,
  maxLeasesPerConnection: 0,
  maxAgeMs: 0,
  acquireTimeoutMs: 15_000,
  acquireMaxWaiting: 100,
  reservedPerUser: 0,
  probeAfterMs: 1_000_000,
  keepaliveIntervalMs: 0,
  releaseTimeoutMs: 5_000,
};

/** Everything that a test of the pools needs; the caller must `drain()` it. */
export class PoolFixture {
  readonly server = new MemoryServer();
  readonly pools: ConnectionPools;
  readonly backOff = new BackOff({ now: () => performance.now(), random: () => 0.5 });
  readonly gate: UpstreamGate;
  /** Why pools were forgotten. */
  readonly evictions: string[] = [];
  /** Logins that wait for the test, if `holdsLogins`. */
  readonly held: HeldLogin[] = [];
  readonly events: string[] = [];
  readonly faults: unknown[] = [];
  /** As whom each connection was opened. */
  readonly users = new Map<UpstreamConnection, string>();
  /** The token with which each was opened, where it was one. */
  readonly tokens = new Map<UpstreamConnection, string>();
  /** Why connections were closed, by their number. */
  readonly closed: Record<number, CloseReason> = {};
  /** How long each lease was waited for, those that came at once among them; milliseconds. */
  readonly waits: number[] = [];
  /** How short ports are. */
  pressure: 'none' | 'medium' | 'high' = 'none';
  /** What connections are opened with. */
  credential: object = {};
  holdsLogins = false;
  loginError: ProxyError | undefined;
  attempts = 0;
  readonly #rate: ConnectionRate;

  constructor(options: Partial<PoolOptions> = {}, perMinute = 0) {
    const now = (): number => performance.now();
    this.#rate = new ConnectionRate({
      perMinute,
      now,
      onAvailable: () => {
        this.pools.serve();
      },
    });
    this.gate = new UpstreamGate(this.backOff, this.#rate, () => this.pressure);
    this.pools = new ConnectionPools(
      { ...DEFAULTS, ...options },
      { reset: resetConnection, enable },
      this.gate,
      {
        onReturned: () => undefined,
        onLeased: (_identity, isReuse, waitedMs) => {
          this.events.push(isReuse ? 'leased again' : 'leased');
          this.waits.push(waitedMs);
        },
        onLeaseEnded: () => this.events.push('ended'),
        onRejected: (error) => this.events.push(`rejected ${error.code}`),
        onReset: (outcome) => this.events.push(`reset ${outcome}`),
        onSwapped: () => this.events.push('swapped'),
        onProbed: (isAlive) => this.events.push(isAlive ? 'probed' : 'probed in vain'),
        onPoolCreated: () => undefined,
        onPoolEvicted: (reason) => this.evictions.push(reason),
        onReclaimed: (_identity, count) => this.events.push(`reclaimed ${String(count)}`),
        onFault: (error) => this.faults.push(error),
      },
      // Looked up at each call: tests replace it.
      () => performance.now(),
    );
  }

  acquire(user: string, extra: Partial<LeaseRequest> = {}): Promise<Lease> {
    const lease = this.pools.acquire({
      identity: identityFor(user),
      credential: this.credential,
      open: () => this.gate.open(identityFor(user).key, () => this.#connect(user, extra.token)),
      ...extra,
    });
    // A test may look at the outcome only later.
    lease.catch(() => undefined);
    return lease;
  }

  /** Leases a connection that has just logged in; the test knows that there is room for it. */
  async adopt(user: string, verified: UpstreamConnection): Promise<Lease> {
    const lease = await this.pools.adopt(
      { identity: identityFor(user), credential: this.credential },
      verified,
    );
    if (lease === undefined) throw new Error('there was no room for the verified connection');
    return lease;
  }

  /** Leases of this user, all at once. */
  acquireMany(user: string, count: number): Promise<Lease[]> {
    return Promise.all(Array.from({ length: count }, () => this.acquire(user)));
  }

  /** Ends the test: every socket is closed, and nothing of the pools' own went wrong. */
  async drain(): Promise<void> {
    void this.pools.drain(0);
    this.#rate.dispose();
    for (const login of [...this.held]) login.fail(new ProxyError('cancelled'));
    for (let round = 0; round < 3; round += 1) {
      await settled();
      for (const session of this.server.open) session.break();
    }
  }

  #connect(user: string, token: string | undefined): Promise<UpstreamConnection> {
    this.attempts += 1;
    if (this.loginError !== undefined) return Promise.reject(this.loginError);
    if (!this.holdsLogins) return Promise.resolve(this.open(user, token));
    return new Promise((resolve, reject) => {
      const done = (): void => void this.held.splice(this.held.indexOf(login), 1);
      const login: HeldLogin = {
        user,
        succeed: () => {
          done();
          const connection = this.open(user, token);
          resolve(connection);
          return connection;
        },
        fail: (error) => {
          done();
          reject(error);
        },
      };
      this.held.push(login);
    });
  }

  /** Opens a connection past the pools, as the check of unknown credentials does. */
  open(user: string, token = ''): UpstreamConnection {
    const connection = this.server.connect();
    this.users.set(connection, user);
    this.tokens.set(connection, token);
    void connection.closed.then(({ reason }) => {
      this.closed[connection.id] = reason;
    });
    return connection;
  }
}

/** Runs a command on a leased connection to its tagged reply. */
export function run(lease: Lease, verb: string, text = verb): void {
  lease.use();
  lease.connection.begin('c', verbRow(verb));
  lease.connection.write(`c ${text}\r\n`);
}

/** Resolves when everything that is due now has happened: microtasks, ticks and immediates, many times over. */
export async function settled(rounds = 20): Promise<void> {
  for (let round = 0; round < rounds; round += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** What a promise is now, without waiting for it. */
export async function stateOf(promise: Promise<unknown>): Promise<string> {
  promise.catch(() => undefined);
  await settled();
  const pending = Symbol('pending');
  try {
    return (await Promise.race([promise, Promise.resolve(pending)])) === pending ? 'pending' : 'resolved';
  } catch (error) {
    return error instanceof ProxyError ? error.code : 'rejected';
  }
}
