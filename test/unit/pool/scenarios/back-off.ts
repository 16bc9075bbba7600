// Scenarios of a server that is busy: who is refused, who waits, and who is still served.

import type { Scenario } from './scenario.js';

export const BACK_OFF: readonly Scenario[] = [
  {
    name: 'refuses an identity without a connection at once, in the words of the server',
    steps: [
      { op: 'logins', manner: 'limit' },
      { op: 'acquire', user: 'alice', as: 'a1', expect: { leases: { a1: 'limit' } } },
      { op: 'logins', manner: 'ok' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        expect: {
          leases: { a2: 'backoff' },
          words: { a2: 'Too many of yours' },
          attempts: 1,
          snapshot: { pools: 0 },
        },
      },
      { op: 'acquire', user: 'bob', as: 'b1', expect: { leases: { b1: 1 } } },
      { op: 'advance', ms: 499 },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { leases: { a3: 'backoff' } } },
      { op: 'advance', ms: 1 },
      { op: 'acquire', user: 'alice', as: 'a4', expect: { leases: { a4: 2 } } },
    ],
  },
  {
    name: 'refuses those who waited behind the login that was refused, at the cost of no further one',
    steps: [
      { op: 'logins', manner: 'hold' },
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'acquire', user: 'alice', as: 'a3' },
      {
        op: 'login',
        outcome: 'limit',
        expect: {
          leases: { a1: 'limit', a2: 'backoff', a3: 'backoff' },
          attempts: 1,
          snapshot: { pools: 0 },
        },
      },
    ],
  },
  {
    name: 'lets the one that was refused wait for a connection that is there',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'logins', manner: 'limit' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 'waits' }, attempts: 2 } },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { leases: { a3: 'waits' }, attempts: 2 } },
      {
        op: 'release',
        lease: 'a1',
        expect: { leases: { a2: 1, a3: 'waits' }, events: ['leased', 'ended', 'leased again'] },
      },
      { op: 'release', lease: 'a2', expect: { leases: { a3: 1 } } },
    ],
  },
  {
    name: 'keeps lending idle connections',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'logins', manner: 'limit' },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { leases: { a3: 'waits' } } },
      { op: 'abort', lease: 'a3' },
      { op: 'release', lease: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a4', expect: { leases: { a4: 1 }, attempts: 3 } },
    ],
  },
  {
    name: 'keeps lending idle connections of a set past those who wait for another set',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'alice', as: 'a2', enable: 'CONDSTORE' },
      { op: 'logins', manner: 'limit' },
      { op: 'acquire', user: 'alice', as: 'p1', expect: { leases: { p1: 'waits' } } },
      { op: 'acquire', user: 'alice', as: 'a3', enable: 'CONDSTORE', expect: { leases: { a3: 'waits' } } },
      { op: 'release', lease: 'a1', expect: { leases: { a3: 1, p1: 'waits' } } },
    ],
  },
  {
    name: 'tells who waited in vain in the words of the server',
    options: { acquireTimeoutMs: 300 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'logins', manner: 'limit' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'advance', ms: 299, expect: { leases: { a2: 'waits' } } },
      { op: 'advance', ms: 1, expect: { leases: { a2: 'backoff' }, words: { a2: 'Too many of yours' } } },
    ],
  },
  {
    name: 'makes one attempt after the delay, for all who wait, and doubles the delay',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'logins', manner: 'limit' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'acquire', user: 'alice', as: 'a3' },
      { op: 'advance', ms: 499, expect: { attempts: 2 } },
      { op: 'logins', manner: 'hold' },
      { op: 'advance', ms: 51, expect: { attempts: 3, held: ['alice'] } },
      { op: 'advance', ms: 2_000, expect: { attempts: 3 } },
      { op: 'login', outcome: 'limit', expect: { attempts: 3, leases: { a2: 'waits', a3: 'waits' } } },
      { op: 'advance', ms: 999, expect: { attempts: 3 } },
      { op: 'advance', ms: 51, expect: { attempts: 4 } },
      { op: 'login', outcome: 'ok', expect: { leases: { a3: 2 }, attempts: 5, held: ['alice'] } },
    ],
  },
  {
    name: 'refuses those who wait as soon as the last connection has gone',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'logins', manner: 'limit' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 'waits' } } },
      { op: 'discard', lease: 'a1', expect: { leases: { a2: 'backoff' }, snapshot: { pools: 0 } } },
    ],
  },
  {
    name: 'holds nothing against an identity whose login failed for another reason',
    steps: [
      { op: 'logins', manner: 'refused' },
      { op: 'acquire', user: 'alice', as: 'a1', expect: { leases: { a1: 'refused' } } },
      { op: 'logins', manner: 'ok' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 1 } } },
    ],
  },
];
