// The sessions of a scenario: what each asked for, and what it got.

import { ProxyError } from '../../../src/errors.js';
import type { Lease } from '../../../src/pool/lease.js';
import { INDIFFERENT } from '../../../src/upstream/connection.js';
import type { PoolFixture } from '../../support/pool-fixture.js';
import { checkLent } from './pool-invariants.js';
import type { Known, Wish } from './pool-invariants.js';

/** A session, as far as the pools see it. */
export interface Session {
  readonly user: string;
  /** The set that it wants enabled. */
  set: string | undefined;
  readonly token: string;
  readonly abort: AbortController;
  /** `nothing`: a connection that was handed over found no room. */
  state: Lease | ProxyError | 'waits' | 'ended' | 'nothing';
}

export class ScenarioSessions {
  /** What was wrong with a lease when it was granted. */
  readonly wrong: unknown[] = [];
  readonly #fixture: PoolFixture;
  readonly #sessions = new Map<string, Session>();

  constructor(fixture: PoolFixture) {
    this.#fixture = fixture;
  }

  get leases(): Known['leases'] {
    const held = [...this.#sessions.values()].flatMap((session) =>
      typeof session.state === 'string' || session.state instanceof ProxyError
        ? []
        : [[session.state, session] as const],
    );
    return new Map(held);
  }

  begin(name: string, { user, set, token = '' }: Wish): Session {
    const session: Session = { user, set, token, abort: new AbortController(), state: 'waits' };
    this.#sessions.set(name, session);
    return session;
  }

  /** Takes note of what becomes of a request. */
  follow(name: string, session: Session, asking: Promise<Lease | undefined>): void {
    asking
      .then((lease) => {
        session.state = lease ?? 'nothing';
        if (lease !== undefined) this.#hold(name, session, lease);
      })
      .catch((error: unknown) => {
        if (error instanceof ProxyError) session.state = error;
        else this.wrong.push(error);
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

  of(name: string): Session {
    return this.#sessions.get(name)!;
  }

  leaseOf(name: string): Lease {
    const { state } = this.of(name);
    if (typeof state === 'string' || state instanceof ProxyError) throw new Error(`${name} has no lease`);
    return state;
  }

  /** Notes that the session has given its lease away; how is the caller's business. */
  end(name: string): Lease {
    const lease = this.leaseOf(name);
    this.of(name).state = 'ended';
    return lease;
  }
}
