// What a pool test says as data: the options, what happens step by step, and what is to be seen after each step.

import type { ErrorCode } from '../../../../src/errors.js';
import type { PoolOptions, PoolSnapshot } from '../../../../src/pool/pool-options.js';
import type { Pressure } from '../../../../src/pool/upstream-gate.js';
import type { CloseReason } from '../../../../src/upstream/connection.js';
import type { LogoutManner, Manner } from '../../../support/memory-server.js';

/** What becomes of a login. */
export type LoginOutcome = 'ok' | 'limit' | 'credentials' | 'refused';

export type Operation =
  /** A session asks for a lease; it is called `as` from now on. */
  | {
      readonly op: 'acquire';
      readonly user: string;
      readonly as: string;
      /** The arguments of ENABLE. */
      readonly enable?: string;
      /** The name of what it logs in with; by default everybody has the same. */
      readonly credential?: string;
      readonly token?: string;
      /** The credentials aren't there any more. */
      readonly canLogIn?: false;
      readonly isSwap?: true;
      /** The next step comes in the same turn: nothing is looked at in between. */
      readonly isFollowedAtOnce?: true;
    }
  /** A connection that has just logged in is handed over. */
  | {
      readonly op: 'adopt';
      readonly user: string;
      readonly as: string;
      readonly credential?: string;
      readonly token?: string;
      /** The pools were told to reconnect after its login had begun. */
      readonly isOutdated?: true;
    }
  | { readonly op: 'exchange'; readonly lease: string; readonly enable: string }
  /** @param after - a command that runs before, to its answer unless the server ignores it */
  | {
      readonly op: 'release';
      readonly lease: string;
      readonly after?: string;
      readonly isDirty?: true;
    }
  /** Something is sent, and answered by now. */
  | { readonly op: 'use'; readonly lease: string }
  | { readonly op: 'discard'; readonly lease: string }
  /** The client goes while it waits. */
  | { readonly op: 'abort'; readonly lease: string }
  /** How logins end from now on; `hold`: when the scenario says so. */
  | { readonly op: 'logins'; readonly manner: LoginOutcome | 'hold' }
  /** The first login that is held ends. */
  | { readonly op: 'login'; readonly outcome: LoginOutcome; readonly user?: string }
  | { readonly op: 'advance'; readonly ms: number }
  | { readonly op: 'serverCloses'; readonly connection: number; readonly how?: 'fin' | 'break' | 'bye' }
  /** The server says OK to the last command on the connection, which it had ignored. */
  | { readonly op: 'serverAnswers'; readonly connection: number }
  | { readonly op: 'server'; readonly command: string; readonly manner: Manner }
  | { readonly op: 'server'; readonly command: 'LOGOUT'; readonly manner: LogoutManner }
  /** What the session of a lease says of itself when others wait. */
  | {
      readonly op: 'holder';
      readonly lease: string;
      readonly isInIdle?: boolean;
      readonly isRunning?: boolean;
    }
  /** How short ports are from now on. */
  | { readonly op: 'pressure'; readonly level: Pressure }
  | { readonly op: 'reconnect' }
  | { readonly op: 'revoke'; readonly user: string; readonly credential?: string }
  | { readonly op: 'drain'; readonly ms: number };

export interface Expectation {
  /** By the name of the lease: on which connection, counted from 1 in the order of opening, or why it has none. */
  readonly leases?: Readonly<Record<string, number | 'waits' | 'ended' | 'nothing' | ErrorCode>>;
  /** All events since the last step that names any. */
  readonly events?: readonly string[];
  readonly snapshot?: Partial<PoolSnapshot>;
  /** All connections that are gone, and why. */
  readonly closed?: Readonly<Record<number, CloseReason>>;
  /** For which users a login is held. */
  readonly held?: readonly string[];
  /** How many logins there were in all. */
  readonly attempts?: number;
  /** What the server was told to enable: all connections on which anything is. */
  readonly enabled?: Readonly<Record<number, readonly string[]>>;
  /** What the server answered to the ENABLE of a lease; `none` if the pool doesn't know. */
  readonly replies?: Readonly<Record<string, string>>;
  /** Which leases are of a connection that somebody had before. */
  readonly reused?: Readonly<Record<string, boolean>>;
  /** Why pools were forgotten, all of them. */
  readonly evictions?: readonly string[];
  /** How long the leases were waited for, all of them. */
  readonly waits?: readonly number[];
  /** In what words a request was refused. */
  readonly words?: Readonly<Record<string, string>>;
}

export type Step = Operation & { readonly expect?: Expectation };

export interface Scenario {
  /** What the pools do, in the present tense. */
  readonly name: string;
  readonly options?: Partial<PoolOptions>;
  /** Attempts to connect a minute; 0, as by default: no limit. */
  readonly perMinute?: number;
  readonly steps: readonly Step[];
}
