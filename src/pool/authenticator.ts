/** Owns the decision whether credentials are right: known ones at once, others by one real upstream login. */

import { asProxyError } from '../errors.js';
import { identityOf } from '../identity.js';
import type { Credentials, Identity } from '../identity.js';
import type { ConnectionPools } from './connection-pools.js';
import type { CredentialCache, KnownCredentials } from './credential-cache.js';
import type { Lease } from './lease.js';
import type { Capabilities } from '../upstream/connection.js';
import type { PoolUpstream } from './pool-options.js';

export interface Authenticated {
  readonly identity: Identity;
  /** What the upstream offers this identity. */
  readonly capabilities: Capabilities;
  /** `cached`: no upstream was asked. */
  readonly outcome: 'cached' | 'upstream';
  /** The connection whose login proved the credentials, if it found room; the caller must release or discard it. */
  readonly lease: Lease | undefined;
}

/** What the cache said of credentials: known, unknown, or refused a moment ago. */
export type CredentialLookup = 'hit' | 'miss' | 'refused';

export interface AuthenticatorOptions {
  readonly upstreamName: string;
  readonly upstream: PoolUpstream;
  readonly pools: ConnectionPools;
  readonly cache: CredentialCache;
  readonly onLookup: (lookup: CredentialLookup) => void;
}

export class Authenticator {
  readonly #upstreamName: string;
  readonly #upstream: PoolUpstream;
  readonly #pools: ConnectionPools;
  readonly #cache: CredentialCache;
  readonly #onLookup: (lookup: CredentialLookup) => void;
  /** One attempt for equal credentials that are presented at once. */
  readonly #attempts = new Map<string, Promise<KnownCredentials>>();

  constructor(options: AuthenticatorOptions) {
    this.#upstreamName = options.upstreamName;
    this.#upstream = options.upstream;
    this.#pools = options.pools;
    this.#cache = options.cache;
    this.#onLookup = options.onLookup;
  }

  /**
   * Checks credentials. A wrong password costs one upstream attempt, never a retry.
   *
   * @param signal - aborted when the client has gone
   * @throws ProxyError `credentials` with the upstream's own words if they are wrong; everything else means that
   *   nobody knows
   */
  async authenticate(credentials: Credentials, signal: AbortSignal): Promise<Authenticated> {
    const identity = identityOf(this.#upstreamName, credentials);
    const fingerprint = this.#cache.fingerprint(this.#upstreamName, credentials);
    const known = this.#cache.known(fingerprint, identity);
    const refused = this.#cache.refused(fingerprint);
    this.#onLookup(known !== undefined ? 'hit' : refused !== undefined ? 'refused' : 'miss');
    if (known !== undefined) return { ...known, outcome: 'cached', lease: undefined };
    if (refused !== undefined) throw refused;
    const running = this.#attempts.get(fingerprint);
    if (running !== undefined) return { ...(await running), outcome: 'upstream', lease: undefined };
    return this.#verify(identity, credentials, fingerprint, signal);
  }

  /**
   * Leases a connection for a session that has been authenticated.
   *
   * @throws ProxyError; `credentials` if the upstream does not accept them any more
   */
  async acquire(identity: Identity, credentials: Credentials, signal: AbortSignal): Promise<Lease> {
    try {
      return await this.#pools.acquire({ identity, credentials, signal });
    } catch (error) {
      const failure = asProxyError(error);
      if (failure.code === 'credentials')
        this.#cache.refuse(this.#cache.fingerprint(this.#upstreamName, credentials), failure);
      throw failure;
    }
  }

  async #verify(
    identity: Identity,
    credentials: Credentials,
    fingerprint: string,
    signal: AbortSignal,
  ): Promise<Authenticated> {
    const connecting = this.#upstream.connect(credentials);
    const attempt = connecting.then(({ capabilities }) => ({ identity, capabilities }));
    this.#attempts.set(fingerprint, attempt);
    try {
      const known = await attempt;
      this.#cache.accept(fingerprint, known);
      return {
        ...known,
        outcome: 'upstream',
        lease: await this.#pools.adopt({ identity, credentials, signal }, await connecting),
      };
    } catch (error) {
      const failure = asProxyError(error);
      if (failure.code === 'credentials') this.#cache.refuse(fingerprint, failure);
      throw failure;
    } finally {
      this.#attempts.delete(fingerprint);
    }
  }
}
