// Scenarios of the connection rate: how often a connection may be attempted.

import type { Scenario } from './scenario.js';

export const RATE: readonly Scenario[] = [
  {
    name: 'opens as many as there are tokens, and the next when a token comes, in turn',
    perMinute: 60,
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', expect: { leases: { a1: 1 } } },
      { op: 'acquire', user: 'bob', as: 'b1', expect: { leases: { b1: 'waits' } } },
      { op: 'acquire', user: 'bob', as: 'b2' },
      { op: 'acquire', user: 'carol', as: 'c1', expect: { snapshot: { waiting: 3, connecting: 0 } } },
      { op: 'advance', ms: 999, expect: { attempts: 1 } },
      { op: 'advance', ms: 1, expect: { leases: { b1: 2, b2: 'waits', c1: 'waits' }, attempts: 2 } },
      { op: 'advance', ms: 1_000, expect: { leases: { b2: 'waits', c1: 3 } } },
      { op: 'advance', ms: 1_000, expect: { leases: { b2: 4 } } },
    ],
  },
  {
    name: 'needs no token for an idle connection',
    perMinute: 1,
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 1 } } },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { leases: { a3: 'waits' } } },
      { op: 'release', lease: 'a2', expect: { leases: { a3: 1 }, attempts: 1 } },
    ],
  },
  {
    name: 'ends a wait for a token with the deadline, and counts nothing for it',
    perMinute: 1,
    options: { acquireTimeoutMs: 5_000, maxConnections: 2 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'bob', as: 'b1' },
      {
        op: 'advance',
        ms: 5_000,
        expect: { leases: { b1: 'lease_timeout' }, snapshot: { pools: 1, connecting: 0 } },
      },
      { op: 'advance', ms: 55_000 },
      { op: 'acquire', user: 'bob', as: 'b2', expect: { leases: { b2: 2 } } },
    ],
  },
  {
    name: 'spends no token on an identity that is backed off',
    perMinute: 60,
    steps: [
      { op: 'logins', manner: 'limit' },
      { op: 'acquire', user: 'alice', as: 'a1', expect: { leases: { a1: 'limit' } } },
      { op: 'logins', manner: 'ok' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 'backoff' } } },
      { op: 'advance', ms: 1_000 },
      { op: 'acquire', user: 'bob', as: 'b1', expect: { leases: { b1: 1 }, attempts: 2 } },
    ],
  },
  {
    name: 'keeps lending idle connections to their own while others wait for a token with room enough',
    perMinute: 4,
    options: { maxConnections: 4, acquireTimeoutMs: 60_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'advance', ms: 15_000 },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'advance', ms: 15_000 },
      { op: 'acquire', user: 'alice', as: 'a3' },
      { op: 'advance', ms: 15_000 },
      { op: 'acquire', user: 'alice', as: 'a4' },
      { op: 'release', lease: 'a1' },
      // Room is made when there is a token, and not before.
      { op: 'acquire', user: 'bob', as: 'b1', expect: { leases: { b1: 'waits' }, closed: {} } },
      { op: 'acquire', user: 'alice', as: 'a5', expect: { leases: { a5: 1 } } },
      { op: 'release', lease: 'a2', expect: { leases: { b1: 'waits' }, closed: {} } },
      { op: 'advance', ms: 14_900, expect: { leases: { b1: 'waits' }, closed: {} } },
      { op: 'advance', ms: 100, expect: { leases: { b1: 5 }, closed: { 2: 'evicted' } } },
    ],
  },
];
