// Scenarios of the caps: over all sets of an identity, over all identities, and on logins that are under way.

import type { Scenario } from './scenario.js';

export const CAPS: readonly Scenario[] = [
  {
    name: 'counts the connections of all sets of an identity',
    options: { maxConnectionsPerUser: 2 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'alice', as: 'a2', enable: 'UTF8=ACCEPT' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a3',
        expect: { leases: { a3: 'waits' }, snapshot: { waiting: 1, leased: 2 }, attempts: 2 },
      },
    ],
  },
  {
    name: 'closes the longest idle connection of another set to make room in a full pool',
    options: { maxConnectionsPerUser: 3 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'alice', as: 'a2', enable: 'UTF8=ACCEPT' },
      { op: 'acquire', user: 'alice', as: 'a3', enable: 'UTF8=ACCEPT' },
      { op: 'release', lease: 'a2' },
      { op: 'advance', ms: 10 },
      { op: 'release', lease: 'a1' },
      { op: 'advance', ms: 10 },
      { op: 'release', lease: 'a3' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a4',
        expect: { leases: { a4: 4 }, closed: { 2: 'evicted' }, snapshot: { idle: 2, leased: 1 } },
      },
    ],
  },
  {
    name: 'spares the connections of others when the own pool is full',
    options: { maxConnectionsPerUser: 1, maxConnections: 2 },
    steps: [
      { op: 'acquire', user: 'bob', as: 'b1' },
      { op: 'release', lease: 'b1' },
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 3 }, closed: { 2: 'evicted' } } },
    ],
  },
  {
    name: 'closes the longest idle connection of all when the total is full',
    options: { maxConnections: 3 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'bob', as: 'b1' },
      { op: 'acquire', user: 'carol', as: 'c1' },
      { op: 'release', lease: 'b1' },
      { op: 'advance', ms: 10 },
      { op: 'release', lease: 'c1' },
      { op: 'release', lease: 'a1' },
      {
        op: 'acquire',
        user: 'dave',
        as: 'd1',
        expect: { leases: { d1: 4 }, closed: { 2: 'evicted' }, evictions: ['room'] },
      },
    ],
  },
  {
    name: 'does not close a connection that is promised',
    options: { maxConnections: 1, probeAfterMs: 0 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'server', command: 'NOOP', manner: 'ignore' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { snapshot: { probing: 1 } } },
      { op: 'acquire', user: 'bob', as: 'b1', expect: { leases: { b1: 'waits' }, closed: {} } },
      { op: 'serverAnswers', connection: 1, expect: { leases: { a2: 1, b1: 'waits' } } },
      { op: 'discard', lease: 'a2', expect: { leases: { b1: 2 } } },
    ],
  },
  {
    name: 'counts a connection until its socket is gone',
    options: { maxConnections: 1 },
    steps: [
      { op: 'server', command: 'LOGOUT', manner: 'ignore' },
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'acquire', user: 'bob', as: 'b1', expect: { leases: { b1: 'waits' }, snapshot: { closing: 1 } } },
      { op: 'advance', ms: 999, expect: { leases: { b1: 'waits' }, attempts: 1 } },
      { op: 'advance', ms: 1, expect: { leases: { b1: 2 }, closed: { 1: 'evicted' } } },
    ],
  },
  {
    name: 'has one login under way until one has succeeded, and two from then on',
    steps: [
      { op: 'logins', manner: 'hold' },
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'alice', as: 'a3' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a4',
        expect: { held: ['alice'], snapshot: { waiting: 3, connecting: 1 } },
      },
      {
        op: 'login',
        outcome: 'ok',
        expect: { held: ['alice', 'alice'], snapshot: { waiting: 1, connecting: 2 } },
      },
      { op: 'login', outcome: 'ok', expect: { held: ['alice', 'alice'], leases: { a2: 2 } } },
    ],
  },
  {
    name: 'goes back to one login at a time when the first has failed',
    steps: [
      { op: 'logins', manner: 'hold' },
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'acquire', user: 'alice', as: 'a3' },
      {
        op: 'login',
        outcome: 'refused',
        expect: { held: ['alice'], leases: { a1: 'refused', a2: 'waits' } },
      },
      { op: 'login', outcome: 'credentials', expect: { held: ['alice'], leases: { a2: 'credentials' } } },
    ],
  },
  {
    name: 'has two logins under way beside connections that are all leased',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a0' },
      { op: 'logins', manner: 'hold' },
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'acquire', user: 'alice', as: 'a3' },
      { op: 'acquire', user: 'bob', as: 'b1', expect: { held: ['alice', 'alice', 'bob'] } },
      { op: 'release', lease: 'a0', expect: { leases: { a3: 1 } } },
    ],
  },
];
