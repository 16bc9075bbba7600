// Scenarios of the end of connections: TTL, age, number of leases, and of the order in which they are lent.

import type { Scenario } from './scenario.js';

export const LIFETIME: readonly Scenario[] = [
  {
    name: 'closes a connection that sat idle for the TTL, at the next sweep, and forgets the pool',
    options: { mailboxCacheTtlMs: 10_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'advance', ms: 9_900, expect: { closed: {}, snapshot: { idle: 1, pools: 1 } } },
      {
        op: 'advance',
        ms: 2_600,
        expect: { closed: { 1: 'idle' }, snapshot: { pools: 0 }, evictions: ['idle'] },
      },
    ],
  },
  {
    name: 'never lends a connection whose TTL is over, even before the sweep',
    options: { mailboxCacheTtlMs: 10_000 },
    steps: [
      // The sweeps are at 2.5 s, 5 s, and so on.
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'advance', ms: 1_000 },
      { op: 'release', lease: 'a1' },
      { op: 'advance', ms: 10_000, expect: { snapshot: { idle: 1 } } },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 2 }, closed: { 1: 'idle' } } },
    ],
  },
  {
    name: 'begins the TTL anew with each release',
    options: { mailboxCacheTtlMs: 10_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'advance', ms: 8_000 },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 1 } } },
      { op: 'release', lease: 'a2' },
      { op: 'advance', ms: 8_000, expect: { closed: {} } },
      { op: 'advance', ms: 5_000, expect: { closed: { 1: 'idle' } } },
    ],
  },
  {
    name: 'sweeps the connections of every set',
    options: { mailboxCacheTtlMs: 10_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'alice', as: 'a3', enable: 'UTF8=ACCEPT' },
      { op: 'release', lease: 'a1' },
      { op: 'release', lease: 'a2' },
      { op: 'release', lease: 'a3' },
      {
        op: 'advance',
        ms: 13_000,
        expect: { closed: { 1: 'idle', 2: 'idle', 3: 'idle' }, snapshot: { pools: 0 } },
      },
    ],
  },
  {
    name: 'lends the connection that came back last, so that the others grow old',
    options: { mailboxCacheTtlMs: 10_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'release', lease: 'a2' },
      { op: 'release', lease: 'a1' },
      { op: 'advance', ms: 9_000 },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { leases: { a3: 1 } } },
      { op: 'release', lease: 'a3' },
      { op: 'advance', ms: 4_000, expect: { closed: { 2: 'idle' }, snapshot: { idle: 1 } } },
    ],
  },
  {
    name: 'keeps the order of idle connections when a verified one joins them',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'acquire', user: 'alice', as: 'a3' },
      { op: 'release', lease: 'a1' },
      { op: 'advance', ms: 10 },
      { op: 'release', lease: 'a2' },
      { op: 'advance', ms: 10 },
      { op: 'release', lease: 'a3' },
      { op: 'adopt', user: 'alice', as: 'v', expect: { leases: { v: 4 }, closed: { 1: 'credentials' } } },
      { op: 'acquire', user: 'alice', as: 'a4', expect: { leases: { a4: 3 } } },
      { op: 'acquire', user: 'alice', as: 'a5', expect: { leases: { a5: 2 }, attempts: 3 } },
    ],
  },
  {
    name: 'retires a connection after its last lease, whichever sets they were of',
    options: { maxLeasesPerConnection: 2 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1', expect: { snapshot: { idle: 1 } } },
      { op: 'acquire', user: 'alice', as: 'a2', enable: 'CONDSTORE', expect: { leases: { a2: 1 } } },
      { op: 'release', lease: 'a2', expect: { closed: { 1: 'leases' } } },
    ],
  },
  {
    name: 'retires a connection at its age, no earlier than 90 % and no later than 110 % of it',
    options: { maxAgeMs: 100_000, mailboxCacheTtlMs: 3_000_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'advance', ms: 89_000 },
      { op: 'release', lease: 'a1', expect: { closed: {} } },
      { op: 'advance', ms: 900, expect: { closed: {} } },
      { op: 'advance', ms: 20_200 + 5_000, expect: { closed: { 1: 'age' } } },
    ],
  },
  {
    name: 'retires a connection of its age when it comes back from a lease that was long',
    options: { maxAgeMs: 100_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'advance', ms: 111_000, expect: { closed: {} } },
      { op: 'release', lease: 'a1', after: 'NOOP', expect: { closed: { 1: 'age' } } },
    ],
  },
  {
    name: 'closes at release what was dirtied, whose pool keeps nothing, or what is not clean any more',
    options: { mailboxCacheTtlMs: 0 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'acquire', user: 'alice', as: 'a3' },
      { op: 'release', lease: 'a1', isDirty: true, expect: { closed: { 1: 'dirty' } } },
      { op: 'release', lease: 'a2', expect: { closed: { 1: 'dirty', 2: 'idle' } } },
      {
        op: 'discard',
        lease: 'a3',
        expect: { closed: { 1: 'dirty', 2: 'idle', 3: 'dirty' }, snapshot: { pools: 0 } },
      },
    ],
  },
];
