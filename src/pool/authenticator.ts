/** Owns the decision whether credentials are right: known ones at once, others by one real upstream login. */

import { asProxyError } from '../errors.js';
import type { ProxyError } from '../errors.js';
import { identityOf } from '../identity.js';
import type { Credentials, Identity } from '../identity.js';
import type { Capabilities, UpstreamConnection } from '../upstream/connection.js';
import type { ConnectionPools } from './connection-pools.js';
import type { CredentialCache, KnownCredentials } from './credential-cache.js';
import type { Lease } from './lease.js';
import { VerificationLane } from './verification-lane.js';

export interface Authenticated {
  readonly identity: Identity;
  /** What the upstream offers this identity. */
  readonly capabilities: Capabilities;
  /** As in {@link KnownCredentials}. */
  readonly memory: object;
  /** `cached`: no upstream was asked. */
  readonly outcome: 'cached' | 'upstream';
  /** The connection whose login proved the credentials, if it found room; the caller must release or discard it. */
  readonly lease: Lease | undefined;
  /**
   * Leases a connection for the session; a login that it may take uses the credentials, which the caller keeps until
   * then. `signal` is aborted when the client has gone.
   *
   * @throws ProxyError; `credentials` if the upstream does not accept them any more
   */
  acquire(signal: AbortSignal): Promise<Lease>;
}

/** What the cache said of credentials: known, unknown, or refused a moment ago. */
export type CredentialLookup = 'hit' | 'miss' | 'refused';

export interface AuthenticatorOptions {
  readonly upstreamName: string;
  /** Opens a connection and logs in; throws ProxyError. */
  readonly connect: (credentials: Credentials) => Promise<UpstreamConnection>;
  readonly pools: ConnectionPools;
  readonly cache: CredentialCache;
  readonly onLookup: (lookup: CredentialLookup) => void;
}

export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #lane = new VerificationLane();
  /** One attempt for equal credentials that are presented at once. */
  readonly #attempts = new Map<string, Promise<KnownCredentials>>();

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /**
   * Checks credentials. A wrong password costs one upstream attempt, never a retry.
   *
   * @param signal - aborted when the client has gone
   * @throws ProxyError `credentials` with the upstream's own words if they are wrong; everything else means that
   *   nobody knows
   */
  async authenticate(credentials: Credentials, signal: AbortSignal): Promise<Authenticated> {
    const { cache, upstreamName, onLookup } = this.#options;
    const identity = identityOf(upstreamName, credentials);
    const fingerprint = cache.fingerprint(upstreamName, credentials);
    const known = cache.known(fingerprint, identity);
    const refused = cache.refused(fingerprint);
    onLookup(known !== undefined ? 'hit' : refused !== undefined ? 'refused' : 'miss');
    if (known !== undefined) return this.#authenticated(known, credentials, fingerprint, 'cached');
    if (refused !== undefined) throw refused;
    const running = this.#attempts.get(fingerprint);
    if (running !== undefined)
      return this.#authenticated(await running, credentials, fingerprint, 'upstream');
    return this.#verify(identity, credentials, fingerprint, signal);
  }

  #authenticated(
    known: KnownCredentials,
    credentials: Credentials,
    fingerprint: string,
    outcome: Authenticated['outcome'],
    lease?: Lease,
  ): Authenticated {
    const { pools, connect } = this.#options;
    const open = async (): Promise<UpstreamConnection> => {
      // Another session has found out already: the account must not be locked by everybody finding out.
      if (known.revokedBy !== undefined) throw known.revokedBy;
      try {
        return await connect(credentials);
      } catch (error) {
        const failure = asProxyError(error);
        if (failure.code === 'credentials') this.#revoke(known, fingerprint, failure);
        throw failure;
      }
    };
    const { identity, capabilities, memory } = known;
    const acquire = (signal: AbortSignal): Promise<Lease> => pools.acquire({ identity, open, signal });
    return { identity, capabilities, memory, outcome, lease, acquire };
  }

  async #verify(
    identity: Identity,
    credentials: Credentials,
    fingerprint: string,
    signal: AbortSignal,
  ): Promise<Authenticated> {
    const { cache, connect, pools } = this.#options;
    const connecting = this.#lane.run(identity.key, () => connect(credentials));
    const attempt = connecting.then(({ capabilities }): KnownCredentials => ({
      identity,
      capabilities,
      memory: {},
    }));
    this.#attempts.set(fingerprint, attempt);
    try {
      const known = await attempt;
      cache.accept(fingerprint, known);
      const lease = await pools.adopt(identity, await connecting, signal);
      return this.#authenticated(known, credentials, fingerprint, 'upstream', lease);
    } catch (error) {
      const failure = asProxyError(error);
      if (failure.code === 'credentials') cache.refuse(fingerprint, failure);
      throw failure;
    } finally {
      this.#attempts.delete(fingerprint);
    }
  }

  #revoke(known: KnownCredentials, fingerprint: string, failure: ProxyError): void {
    known.revokedBy = failure;
    this.#options.cache.refuse(fingerprint, failure);
  }
}
