/** Owns the decision whether credentials are right: known ones at once, others by one real upstream login. */

import { asProxyError } from '../errors.js';
import type { ProxyError } from '../errors.js';
import { identityOf } from '../identity.js';
import type { Credentials, Identity, LoginOutcome, Presenter } from '../identity.js';
import { isLoopbackAddress } from '../loopback.js';
import type { Capabilities, UpstreamConnection } from '../upstream/connection.js';
import type { EnableRequest } from '../wire/enable.js';
import type { ConnectionPools } from './connection-pools.js';
import type { CredentialCache, KnownCredentials } from './credential-cache.js';
import type { Lease, SessionWish } from './lease.js';
import type { UpstreamGate } from './upstream-gate.js';
import type { Claim, VerificationLane } from './verification-lane.js';

export interface Authenticated {
  readonly identity: Identity;
  /** What the upstream offers this identity. */
  readonly capabilities: Capabilities;
  /** As in {@link KnownCredentials}. */
  readonly memory: object;
  readonly outcome: LoginOutcome;
  /** The connection whose login proved the credentials, if it found room; the caller must release or discard it. */
  readonly lease: Lease | undefined;
  /**
   * Leases a connection for the session; a login that it may take uses the credentials, which the caller keeps until
   * then.
   *
   * @throws ProxyError; `credentials` if the upstream does not accept them any more
   */
  acquire(wish: SessionWish): Promise<Lease>;
  /** As {@link ConnectionPools.exchange}. */
  exchange(lease: Lease, enable: EnableRequest): Promise<Lease>;
}

/** What the cache said of credentials: known, unknown, or refused a moment ago. */
export type CredentialLookup = 'hit' | 'miss' | 'refused';

export interface AuthenticatorOptions {
  readonly upstreamName: string;
  /** Opens a connection and logs in, on behalf of a client at this address; throws ProxyError. */
  readonly connect: (credentials: Credentials, address: string | undefined) => Promise<UpstreamConnection>;
  readonly pools: ConnectionPools;
  readonly cache: CredentialCache;
  readonly lane: VerificationLane;
  readonly gate: UpstreamGate;
  readonly onLookup: (lookup: CredentialLookup) => void;
}

/** Credentials on their way through the checks. */
interface Presented {
  readonly credentials: Credentials;
  readonly identity: Identity;
  readonly fingerprint: string;
  readonly presenter: Presenter;
}

export class Authenticator {
  readonly #options: AuthenticatorOptions;
  /** One attempt for equal credentials that are presented at once. */
  readonly #attempts = new Map<string, Promise<KnownCredentials>>();

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /**
   * Checks credentials. A wrong password costs one upstream attempt, never a retry.
   *
   * @throws ProxyError `credentials` with the upstream's own words if they are wrong; everything else means that
   *   nobody knows
   */
  async authenticate(credentials: Credentials, presenter: Presenter): Promise<Authenticated> {
    const { cache, upstreamName, onLookup } = this.#options;
    const identity = identityOf(upstreamName, credentials);
    const fingerprint = cache.fingerprint(upstreamName, credentials);
    const presented = { credentials, identity, fingerprint, presenter };
    const known = cache.known(fingerprint, identity);
    const refused = cache.refused(fingerprint);
    onLookup(known !== undefined ? 'hit' : refused !== undefined ? 'refused' : 'miss');
    if (known !== undefined) return this.#authenticated(known, presented, 'cached');
    if (refused !== undefined) throw refused;
    // Asked and begun without a pause in between: else all that shared an attempt would begin one of their own.
    for (;;) {
      const running = this.#attempts.get(fingerprint);
      if (running === undefined) return this.#verify(presented);
      const shared = await unlessCancelled(running);
      if (shared !== undefined) return this.#authenticated(shared, presented, 'upstream');
    }
  }

  #authenticated(
    known: KnownCredentials,
    { credentials, fingerprint, presenter }: Presented,
    outcome: LoginOutcome,
    lease?: Lease,
  ): Authenticated {
    const { pools, connect, gate } = this.#options;
    const { identity, token, capabilities, memory } = known;
    const open = async (): Promise<UpstreamConnection> => {
      // Another session has found out already: the account must not be locked by everybody finding out.
      if (known.revokedBy !== undefined) throw known.revokedBy;
      try {
        return await gate.open(identity.key, () => connect(credentials, presenter.address));
      } catch (error) {
        const failure = asProxyError(error);
        if (failure.code === 'credentials') this.#revoke(known, fingerprint, failure);
        throw failure;
      }
    };
    return {
      identity,
      capabilities,
      memory,
      outcome,
      lease,
      acquire: ({ canLogIn, ...wish }) =>
        pools.acquire({ ...wish, identity, token, credential: known, open: canLogIn ? open : undefined }),
      exchange: (held, enable) => pools.exchange(held, enable),
    };
  }

  async #verify(presented: Presented): Promise<Authenticated> {
    const { credentials, identity, fingerprint, presenter } = presented;
    const { cache, connect, pools, lane, gate } = this.#options;
    const refusal = gate.refusal(identity.key, pools.has(identity));
    if (refusal !== undefined) throw refusal;
    const { address, signal } = presenter;
    // A server may believe a token and not the name beside it.
    const token = credentials.kind === 'token' ? fingerprint : '';
    const attempt = {
      identityKey: identity.key,
      source: address ?? 'unix',
      // Whoever comes from this host may be a webmail, and then everybody.
      isSourceShared: address === undefined || isLoopbackAddress(address),
      claim: this.#claim(presented),
      isIdentityKnown: cache.hasAccepted(identity),
    };
    let startedIn = pools.generation;
    const connecting = lane.run(
      attempt,
      () => {
        startedIn = pools.generation;
        return gate.open(identity.key, () => connect(credentials, address));
      },
      signal,
    );
    const knowing = connecting.then(({ capabilities }): KnownCredentials => ({
      identity,
      token,
      capabilities,
      memory: {},
    }));
    this.#attempts.set(fingerprint, knowing);
    let known: KnownCredentials;
    try {
      known = await knowing;
      cache.accept(fingerprint, known);
    } catch (error) {
      const failure = asProxyError(error);
      if (failure.code === 'credentials') cache.refuse(fingerprint, failure);
      throw failure;
    } finally {
      // What comes from now on is no part of this attempt.
      this.#attempts.delete(fingerprint);
    }
    const request = { identity, token, credential: known, signal };
    const lease = await pools.adopt(request, await connecting, startedIn);
    return this.#authenticated(known, presented, 'upstream', lease);
  }

  #claim({ fingerprint, presenter }: Presented): Claim {
    if (this.#options.cache.wasAccepted(fingerprint)) return 2;
    return presenter.hasFailed ? 0 : 1;
  }

  #revoke(known: KnownCredentials, fingerprint: string, failure: ProxyError): void {
    known.revokedBy = failure;
    this.#options.cache.refuse(fingerprint, failure);
    this.#options.pools.revoke(known.identity, known);
  }
}

/** What another session's attempt finds out; undefined if only its client has gone, so that the question is still open. */
async function unlessCancelled(attempt: Promise<KnownCredentials>): Promise<KnownCredentials | undefined> {
  try {
    return await attempt;
  } catch (error) {
    if (asProxyError(error).code !== 'cancelled') throw error;
    return undefined;
  }
}
