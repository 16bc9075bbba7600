/** Owns the connections of one identity: how many there are, which of them are alike, and what the server said to ENABLE. */

import type { Identity } from '../identity.js';
import type { CloseReason, UpstreamConnection } from '../upstream/connection.js';
import type { Lease } from './lease.js';
import { SetPool } from './set-pool.js';
import type { SetKey, SetPoolOptions, Slot } from './set-pool.js';
import type { EnableReply } from '../wire/enable.js';

/** More logins at once for one identity only make a server suspicious. */
const MAX_OPENING = 2;
/** Until one has succeeded: if the password was changed meanwhile, finding that out is to cost one attempt. */
const MAX_OPENING_UNPROVEN = 1;
/** Clients choose what to enable, and must not fill the memory with it. */
const MAX_SETS = 16;
const MAX_REPLIES = 64;

/** What the pool knows of one upstream connection, from its login to the end of its socket. */
export interface PooledConnection {
  readonly connection: UpstreamConnection;
  readonly pool: IdentityPool;
  /** What is enabled on it, and where it stands; both change together. */
  place: { readonly set: ConnectionSet; readonly slot: Slot<PooledConnection> };
  /** Which credentials opened it; compared by identity. */
  readonly credential: object;
  /** When it is too old to be lent again; monotonic milliseconds. */
  readonly retireAt: number;
  /** Why it is not to be lent again, whatever its age. */
  retireReason: CloseReason | undefined;
  /** When it was given back last; monotonic milliseconds. */
  idleSince: number;
  /** When the server answered last; monotonic milliseconds. */
  provenAt: number;
  /** Runs while the connection is asked whether it still lives; resolves to the answer, never rejects. */
  proof: Promise<boolean> | undefined;
  /** How many leases it has had. */
  leases: number;
}

/** Connections on which the same is enabled, and that are surely the same user's. */
export type ConnectionSet = SetPool<PooledConnection>;

export interface IdentityPoolOptions extends SetPoolOptions<PooledConnection> {
  readonly identity: Identity;
}

/**
 * Generic-pool takes a connection for gone when it begins to close. Here it counts until its socket is gone, since
 * the server and the kernel count it that long, too.
 */
export class IdentityPool {
  readonly identity: Identity;
  /** Connections from the start of their opening to the end of their closing, whatever is enabled on them. */
  connections = 0;
  /** Connections that are being opened. */
  opening = 0;
  /** Requests that are neither granted nor refused. */
  requests = 0;
  /** Connections that are only a round trip away from being idle. */
  returning = 0;
  /** Leases that have not ended. */
  readonly leases = new Set<Lease>();
  /** Why its last connection was closed. */
  lastCloseReason: CloseReason | undefined;
  readonly #sets = new Map<string, ConnectionSet>();
  /** Undefined where the server refused. */
  readonly #replies = new Map<string, EnableReply | undefined>();
  readonly #options: IdentityPoolOptions;

  constructor(options: IdentityPoolOptions) {
    this.#options = options;
    this.identity = options.identity;
  }

  /**
   * Connections on which nothing is enabled: every connection is one at first.
   *
   * @param token - as in `SetKey`. A password proves the name that it came with. A token may be somebody else's, if the
   *   server believes it and not the name: what it opened is lent to those alone who present the same
   */
  plainOf(token: string): ConnectionSet {
    const key = { set: '', token };
    return this.#sets.get(nameOf(key)) ?? this.#make(key);
  }

  /** The set with an idle connection that is free to be promised, if there is one. */
  idleSetOf(key: SetKey): ConnectionSet | undefined {
    const set = this.#sets.get(nameOf(key));
    return set?.hasIdle === true ? set : undefined;
  }

  /** Whether {@link setOf} would find or make a set now. */
  hasRoomFor(key: SetKey): boolean {
    // A token's sets go with their last connection, so that the caps on these are theirs, too.
    if (key.token !== '' || this.#sets.has(nameOf(key))) return true;
    return [...this.#sets.values()].filter(({ token }) => token === '').length < MAX_SETS;
  }

  /** Undefined if there are too many sets to keep another. */
  setOf(key: SetKey): ConnectionSet | undefined {
    return this.hasRoomFor(key) ? (this.#sets.get(nameOf(key)) ?? this.#make(key)) : undefined;
  }

  /** The connection is gone, wherever it was about to stand. */
  gone(pooled: PooledConnection): void {
    for (const set of this.#sets.values()) {
      if (set.connections.delete(pooled)) this.forgetIfEmpty(set);
    }
  }

  /** Lets go of a token's set that is empty: tokens come and go. */
  forgetIfEmpty(set: ConnectionSet): void {
    if (set.token !== '' && set.isEmpty && this.#sets.delete(nameOf(set))) set.slots.dispose();
  }

  #make(key: SetKey): ConnectionSet {
    const made = new SetPool<PooledConnection>(key, this.#options);
    this.#sets.set(nameOf(key), made);
    return made;
  }

  /** How the server answered this request of a client of the identity. */
  replyTo(request: string): EnableReply | undefined {
    return this.#replies.get(request);
  }

  /** Whether the server did not say OK to this request: it need not be asked again by us. */
  isRefused(request: string): boolean {
    return this.#replies.has(request) && this.#replies.get(request) === undefined;
  }

  /** Whether there is room for the server's answer to this request: else nobody would find the connection again. */
  canRemember(request: string): boolean {
    return this.#replies.has(request) || this.#replies.size < MAX_REPLIES;
  }

  remember(request: string, reply: EnableReply | undefined): void {
    if (this.canRemember(request)) this.#replies.set(request, reply);
  }

  /** Whether one more login may be under way. */
  get mayOpen(): boolean {
    return this.opening < (this.hasLive ? MAX_OPENING : MAX_OPENING_UNPROVEN);
  }

  /** Whether a connection is there that is not just being opened. */
  get hasLive(): boolean {
    return this.connections > this.opening;
  }

  /** Connections that are being reset, probed or closed: in a moment they come back, or make room. */
  get inTransit(): number {
    let idle = 0;
    for (const set of this.#sets.values()) idle += set.idle.size;
    return this.connections - this.opening - this.leases.size - idle;
  }

  /** Whether a connection is there that is not free to be lent at once: it may come back, or make room. */
  get hasBusy(): boolean {
    let free = 0;
    for (const { idle, promised } of this.#sets.values()) free += idle.size - promised;
    return this.connections > free;
  }

  /** Whether a connection may become idle that this token opened, as far as it is known what opened it. */
  mayReturn(token: string): boolean {
    let standing = 0;
    for (const set of this.#sets.values()) {
      if (set.token === token && set.connections.size > set.idle.size - set.promised) return true;
      standing += set.connections.size;
    }
    return this.connections > standing;
  }

  /** Nothing is left and nothing is under way: the pool may be forgotten. */
  get isEmpty(): boolean {
    return this.connections === 0 && this.requests === 0;
  }

  /** The idle connection that can be spared first; a promised one can't. */
  get longestIdle(): PooledConnection | undefined {
    let longest: PooledConnection | undefined;
    for (const { hasIdle, idle } of this.#sets.values()) {
      const [first] = hasIdle ? idle : [];
      if (first !== undefined && first.idleSince < (longest?.idleSince ?? Infinity)) longest = first;
    }
    return longest;
  }

  /** Ends the sweeps. Nothing may be taken after this. */
  dispose(): void {
    for (const { slots } of this.#sets.values()) slots.dispose();
  }
}

/** Fingerprints have no space in them. */
function nameOf({ set, token }: SetKey): string {
  return `${token} ${set}`;
}
