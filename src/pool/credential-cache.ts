/** Owns what is known of credentials: which were accepted, and which were refused just now. Owns lru-cache. */

import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';

import type { ProxyError } from '../errors.js';
import type { Credentials, Identity } from '../identity.js';
import type { Capabilities } from '../upstream/connection.js';

export interface CredentialCacheOptions {
  /** How long accepted credentials are believed; use doesn't extend it. 0: they never are. */
  readonly ttlMs: number;
  /** How long the same refused credentials are refused without asking; 0: never. */
  readonly failureTtlMs: number;
  /** How many of each are kept; the least recently used go first. */
  readonly max: number;
  /** An accepted credential was forgotten. */
  readonly onEvicted: (reason: CredentialEviction) => void;
}

/** Why an accepted credential was forgotten; the same strings are the `reason` label of the metric. */
export type CredentialEviction = 'ttl' | 'size' | 'refused';

const EVICTIONS: Readonly<Record<LRUCache.DisposeReason, CredentialEviction | undefined>> = {
  expire: 'ttl',
  evict: 'size',
  delete: 'refused',
  set: undefined,
  fetch: undefined,
};

/** What a successful login told; shared by the sessions that it let in. */
export interface KnownCredentials {
  readonly identity: Identity;
  /** The fingerprint of a token; empty for a password. */
  readonly token: string;
  /** As the upstream gave them to this identity after its login. */
  readonly capabilities: Capabilities;
  /** For those who talk to the client: what the identity was answered before. */
  readonly memory: object;
  /** The upstream's later refusal, once there was one. */
  revokedBy?: ProxyError;
}

/** Keeps keyed hashes only, under a key that lives as long as the process: no secret can be read from it. */
export class CredentialCache {
  readonly #key = randomBytes(32);
  readonly #known: LRUCache<string, KnownCredentials> | undefined;
  readonly #refused: LRUCache<string, ProxyError> | undefined;
  /** Accepted once, however long ago: no proof of anything, but a better claim than a guess has. */
  readonly #accepted: LRUCache<string, true>;
  /** Identities of which credentials were accepted once. */
  readonly #identities: LRUCache<string, true>;

  constructor(options: CredentialCacheOptions) {
    const { ttlMs, failureTtlMs, max, onEvicted } = options;
    if (ttlMs > 0) {
      this.#known = new LRUCache({
        max,
        ttl: ttlMs,
        updateAgeOnGet: false,
        dispose: (_entry, _fingerprint, why) => {
          const reason = EVICTIONS[why];
          if (reason !== undefined) onEvicted(reason);
        },
      });
    }
    if (failureTtlMs > 0) this.#refused = new LRUCache({ max, ttl: failureTtlMs, updateAgeOnGet: false });
    this.#accepted = new LRUCache({ max });
    this.#identities = new LRUCache({ max });
  }

  /** Lets go of what is out of date; until then it takes memory. */
  purge(): void {
    this.#known?.purgeStale();
    this.#refused?.purgeStale();
  }

  /** Number of accepted credentials that are kept. */
  get size(): number {
    return this.#known?.size ?? 0;
  }

  /**
   * The name under which credentials are kept. Each field goes in with its length: without, ("al", "icesecret")
   * and ("alice", "secret") would be one key, and al would get alice's mail.
   */
  fingerprint(upstream: string, credentials: Credentials): string {
    const hmac = createHmac('sha256', this.#key);
    const { kind, authenticationId, authorizationId, secret } = credentials;
    for (const field of [
      Buffer.from(upstream),
      Buffer.from(kind),
      authenticationId,
      authorizationId,
      secret,
    ]) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(field.length);
      hmac.update(length).update(field);
    }
    return hmac.digest('base64');
  }

  /** @param identity - who is asked for; an entry that names anybody else is no answer */
  known(fingerprint: string, identity: Identity): KnownCredentials | undefined {
    const entry = this.#known?.get(fingerprint);
    return entry?.identity.key === identity.key ? entry : undefined;
  }

  /** Whether any credentials of the identity were accepted before. */
  hasAccepted({ key }: Identity): boolean {
    return this.#identities.has(key);
  }

  /** Whether these credentials were accepted before, and not refused since. */
  wasAccepted(fingerprint: string): boolean {
    return this.#accepted.has(fingerprint);
  }

  /** Why these credentials were refused a moment ago, if they were. */
  refused(fingerprint: string): ProxyError | undefined {
    return this.#refused?.get(fingerprint);
  }

  accept(fingerprint: string, entry: KnownCredentials): void {
    this.#refused?.delete(fingerprint);
    this.#known?.set(fingerprint, entry);
    this.#accepted.set(fingerprint, true);
    this.#identities.set(entry.identity.key, true);
  }

  refuse(fingerprint: string, error: ProxyError): void {
    this.#known?.delete(fingerprint);
    this.#accepted.delete(fingerprint);
    this.#refused?.set(fingerprint, error);
  }
}
