// Scenarios of requests that wait: how long, for what, and that nobody is forgotten.

import type { Scenario } from './scenario.js';

export const WAITING: readonly Scenario[] = [
  {
    name: 'ends with the deadline, and no earlier',
    options: { maxConnectionsPerUser: 1, acquireTimeoutMs: 1_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'advance', ms: 999, expect: { leases: { a2: 'waits' }, snapshot: { longestWaitMs: 999 } } },
      {
        op: 'advance',
        ms: 1,
        expect: { leases: { a2: 'lease_timeout' }, snapshot: { waiting: 0, longestWaitMs: 0 } },
      },
    ],
  },
  {
    name: 'tells how long a lease was waited for, and nothing of one that came at once',
    options: { maxConnectionsPerUser: 1 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'advance', ms: 700 },
      { op: 'release', lease: 'a1', expect: { leases: { a2: 1 }, waits: [0, 700] } },
    ],
  },
  {
    name: 'says swapped, and not leased, of a session that had a lease before',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', expect: { events: ['leased'] } },
      { op: 'release', lease: 'a1', after: 'NOOP', expect: { events: ['ended', 'reset clean'] } },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        isSwap: true,
        expect: { events: ['swapped'], leases: { a2: 1 } },
      },
    ],
  },
  {
    name: 'refuses one too many at once',
    options: { maxConnectionsPerUser: 1, acquireMaxWaiting: 1 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 'waits' } } },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a3',
        expect: { leases: { a2: 'waits', a3: 'queue_full' }, events: ['leased', 'rejected queue_full'] },
      },
    ],
  },
  {
    name: 'is over when the client has gone, whose place goes to the next',
    options: { maxConnectionsPerUser: 1 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'acquire', user: 'alice', as: 'a3' },
      { op: 'abort', lease: 'a2', expect: { leases: { a2: 'cancelled', a3: 'waits' } } },
      { op: 'release', lease: 'a1', expect: { leases: { a3: 1 } } },
    ],
  },
  {
    name: 'waits a moment for a connection that is a round trip away rather than open another',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'server', command: 'NOOP', manner: 'ignore' },
      { op: 'use', lease: 'a1' },
      { op: 'release', lease: 'a1', expect: { snapshot: { resetting: 1 } } },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 'waits' }, attempts: 1 } },
      { op: 'serverAnswers', connection: 1, expect: { leases: { a2: 1 }, attempts: 1 } },
    ],
  },
  {
    name: 'waits no longer than a tenth of a second for a round trip',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'server', command: 'NOOP', manner: 'ignore' },
      { op: 'use', lease: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'advance', ms: 99, expect: { leases: { a2: 'waits' } } },
      { op: 'advance', ms: 51, expect: { leases: { a2: 2 } } },
    ],
  },
  {
    name: 'opens one more for the second of two who would wait for the same round trip',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'server', command: 'NOOP', manner: 'ignore' },
      { op: 'use', lease: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 'waits' } } },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { leases: { a2: 'waits', a3: 2 } } },
    ],
  },
  {
    name: 'opens at once where nobody may wait, whatever is a round trip away',
    options: { acquireTimeoutMs: 0 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'server', command: 'NOOP', manner: 'ignore' },
      { op: 'use', lease: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 2 } } },
    ],
  },
  {
    name: 'opens at once where the queue has no place, whatever is a round trip away',
    options: { acquireMaxWaiting: 0 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'server', command: 'NOOP', manner: 'ignore' },
      { op: 'use', lease: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 2 } } },
    ],
  },
  {
    name: 'waits for the room that is made for it where the queue has no place',
    options: { acquireMaxWaiting: 0, maxConnections: 1 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'acquire', user: 'bob', as: 'b1', expect: { leases: { b1: 2 }, closed: { 1: 'evicted' } } },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 'queue_full' }, attempts: 2 } },
      { op: 'release', lease: 'b1' },
      {
        op: 'adopt',
        user: 'alice',
        as: 'a3',
        expect: { leases: { a3: 3 }, closed: { 1: 'evicted', 2: 'evicted' } },
      },
    ],
  },
  {
    name: 'without credentials waits for a connection that comes back, and for nothing else',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        canLogIn: false,
        expect: { leases: { a2: 'waits' }, attempts: 1 },
      },
      { op: 'release', lease: 'a1', expect: { leases: { a2: 1 }, attempts: 1 } },
    ],
  },
  {
    name: 'without credentials ends with the last connection of the identity',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', canLogIn: false },
      { op: 'discard', lease: 'a1', expect: { leases: { a2: 'upstream_lost' }, snapshot: { pools: 0 } } },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a3',
        canLogIn: false,
        expect: { leases: { a3: 'upstream_lost' } },
      },
    ],
  },
  {
    name: 'without credentials holds up nobody behind who may log in',
    options: { maxConnections: 2 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'bob', as: 'b1' },
      { op: 'acquire', user: 'alice', as: 'a2', canLogIn: false },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { leases: { a2: 'waits', a3: 'waits' } } },
      { op: 'discard', lease: 'b1', expect: { leases: { a2: 'waits', a3: 3 } } },
    ],
  },
];
