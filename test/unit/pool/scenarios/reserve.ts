// Scenarios of the reserve: quiet sessions give back what they hold beyond their part while others wait.

import type { Operation, Scenario } from './scenario.js';

/** Three sessions of alice, which is her cap, on connections 1 to 3. */
const THREE: readonly Operation[] = ['a1', 'a2', 'a3'].map((as) => ({ op: 'acquire', user: 'alice', as }));
const FULL = { maxConnectionsPerUser: 3, reservedPerUser: 1 };

export const RESERVE: readonly Scenario[] = [
  {
    name: 'takes from the session that has been in IDLE for longest, once another waits',
    options: FULL,
    steps: [
      ...THREE,
      { op: 'holder', lease: 'a2', isInIdle: true },
      { op: 'advance', ms: 10 },
      { op: 'holder', lease: 'a1', isInIdle: true },
      { op: 'advance', ms: 10 },
      { op: 'holder', lease: 'a3', isInIdle: true },
      { op: 'advance', ms: 100_000, expect: { leases: { a1: 1, a2: 2, a3: 3 }, snapshot: { quiet: 3 } } },
      { op: 'acquire', user: 'alice', as: 'a4', expect: { leases: { a4: 'waits' } } },
      { op: 'advance', ms: 50, expect: { leases: { a1: 1, a2: 'ended', a3: 3, a4: 2 } } },
      {
        op: 'advance',
        ms: 1_000,
        expect: {
          leases: { a1: 1, a3: 3 },
          events: ['leased', 'leased', 'leased', 'reclaimed 1', 'ended', 'leased again'],
        },
      },
    ],
  },
  {
    name: 'takes nothing that quiet sessions may keep',
    options: FULL,
    steps: [
      ...THREE,
      { op: 'holder', lease: 'a1', isInIdle: true },
      { op: 'holder', lease: 'a2', isInIdle: true },
      { op: 'holder', lease: 'a3', isRunning: true },
      { op: 'acquire', user: 'alice', as: 'a4' },
      {
        op: 'advance',
        ms: 14_000,
        expect: { leases: { a1: 1, a2: 2, a3: 3, a4: 'waits' }, snapshot: { quiet: 2 } },
      },
    ],
  },
  {
    name: 'takes nothing while nobody waits',
    options: FULL,
    steps: [
      ...THREE,
      { op: 'holder', lease: 'a1', isInIdle: true },
      { op: 'holder', lease: 'a2', isInIdle: true },
      { op: 'holder', lease: 'a3', isInIdle: true },
      { op: 'acquire', user: 'bob', as: 'b1' },
      { op: 'advance', ms: 600_000, expect: { leases: { a1: 1, a2: 2, a3: 3 } } },
    ],
  },
  {
    name: 'takes nothing for others than those of the same identity',
    options: { ...FULL, maxConnections: 3 },
    steps: [
      ...THREE,
      { op: 'holder', lease: 'a1', isInIdle: true },
      { op: 'holder', lease: 'a2', isInIdle: true },
      { op: 'holder', lease: 'a3', isInIdle: true },
      { op: 'acquire', user: 'bob', as: 'b1' },
      { op: 'advance', ms: 10_000, expect: { leases: { a1: 1, a2: 2, a3: 3, b1: 'waits' } } },
    ],
  },
  {
    name: 'takes a session for quiet that has said nothing for more than a minute',
    options: { ...FULL, acquireTimeoutMs: 100_000 },
    steps: [
      ...THREE,
      { op: 'holder', lease: 'a1' },
      { op: 'holder', lease: 'a2' },
      { op: 'holder', lease: 'a3' },
      { op: 'acquire', user: 'alice', as: 'a4' },
      {
        op: 'advance',
        ms: 60_000,
        expect: { leases: { a1: 1, a2: 2, a3: 3, a4: 'waits' }, snapshot: { quiet: 0 } },
      },
      { op: 'advance', ms: 51, expect: { leases: { a1: 'ended', a2: 2, a3: 3, a4: 1 } } },
    ],
  },
  {
    name: 'takes as many as wait, and no more while one is on its way back',
    options: { maxConnectionsPerUser: 4, reservedPerUser: 2 },
    steps: [
      ...THREE,
      { op: 'acquire', user: 'alice', as: 'a4' },
      { op: 'holder', lease: 'a1', isInIdle: true },
      { op: 'holder', lease: 'a2', isInIdle: true },
      { op: 'holder', lease: 'a3', isInIdle: true },
      { op: 'holder', lease: 'a4', isInIdle: true },
      // The reset takes its time.
      { op: 'use', lease: 'a1' },
      { op: 'server', command: 'NOOP', manner: 'ignore' },
      { op: 'acquire', user: 'alice', as: 'a5' },
      { op: 'advance', ms: 50, expect: { leases: { a1: 'ended', a5: 'waits' }, snapshot: { resetting: 1 } } },
      { op: 'advance', ms: 500, expect: { leases: { a2: 2, a3: 3, a4: 4 } } },
      { op: 'serverAnswers', connection: 1, expect: { leases: { a2: 2, a3: 3, a4: 4, a5: 1 } } },
    ],
  },
  {
    name: 'takes what is held beyond the part where the server allows fewer than the cap',
    options: { maxConnectionsPerUser: 8, reservedPerUser: 1 },
    steps: [
      ...THREE,
      { op: 'holder', lease: 'a1', isInIdle: true },
      { op: 'holder', lease: 'a2', isInIdle: true },
      { op: 'holder', lease: 'a3', isInIdle: true },
      { op: 'logins', manner: 'limit' },
      { op: 'acquire', user: 'alice', as: 'a4', expect: { leases: { a4: 'waits' } } },
      { op: 'advance', ms: 50, expect: { leases: { a1: 'ended', a2: 2, a3: 3, a4: 1 } } },
    ],
  },
  {
    name: 'takes nothing where nothing is reserved',
    options: { maxConnectionsPerUser: 3, reservedPerUser: 0, acquireTimeoutMs: 1_000 },
    steps: [
      ...THREE,
      { op: 'holder', lease: 'a1', isInIdle: true },
      { op: 'holder', lease: 'a2', isInIdle: true },
      { op: 'holder', lease: 'a3', isInIdle: true },
      { op: 'acquire', user: 'alice', as: 'a4' },
      { op: 'advance', ms: 1_000, expect: { leases: { a1: 1, a2: 2, a3: 3, a4: 'lease_timeout' } } },
    ],
  },
  {
    name: 'takes nothing where the total is full, and the identity is not at its cap',
    options: { maxConnections: 3, maxConnectionsPerUser: 4, reservedPerUser: 2, acquireTimeoutMs: 1_000 },
    steps: [
      ...THREE,
      { op: 'holder', lease: 'a1', isInIdle: true },
      { op: 'holder', lease: 'a2', isInIdle: true },
      { op: 'holder', lease: 'a3', isInIdle: true },
      { op: 'acquire', user: 'alice', as: 'a4' },
      { op: 'advance', ms: 1_000, expect: { leases: { a1: 1, a2: 2, a3: 3, a4: 'lease_timeout' } } },
    ],
  },
  {
    name: 'closes an idle connection that is of no use, and takes from a quiet session while the server allows no more',
    options: { maxConnectionsPerUser: 8, reservedPerUser: 2 },
    steps: [
      ...THREE,
      { op: 'acquire', user: 'alice', as: 'c1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'c1' },
      { op: 'holder', lease: 'a1', isInIdle: true },
      { op: 'holder', lease: 'a2', isInIdle: true },
      { op: 'holder', lease: 'a3', isInIdle: true },
      { op: 'logins', manner: 'limit' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a4',
        expect: { leases: { a4: 'waits' }, closed: { 4: 'evicted' } },
      },
      { op: 'advance', ms: 50, expect: { leases: { a1: 'ended', a2: 2, a3: 3, a4: 1 } } },
    ],
  },
];
