// Scenarios of identities that compete: turns, and shares of the total.

import type { Scenario } from './scenario.js';

export const FAIRNESS: readonly Scenario[] = [
  {
    name: 'serves identities in turn, each in the order of arrival',
    options: { maxConnections: 1 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a0' },
      { op: 'acquire', user: 'bob', as: 'b1' },
      { op: 'acquire', user: 'bob', as: 'b2' },
      { op: 'acquire', user: 'carol', as: 'c1' },
      { op: 'discard', lease: 'a0', expect: { leases: { b1: 2, b2: 'waits', c1: 'waits' } } },
      { op: 'discard', lease: 'b1', expect: { leases: { b2: 'waits', c1: 3 } } },
      { op: 'discard', lease: 'c1', expect: { leases: { b2: 4 } } },
    ],
  },
  {
    name: 'takes from whoever is above his share what comes back to him, for whoever has less',
    options: { maxConnections: 4 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'acquire', user: 'alice', as: 'a3' },
      { op: 'acquire', user: 'alice', as: 'a4' },
      { op: 'acquire', user: 'alice', as: 'a5' },
      { op: 'acquire', user: 'alice', as: 'a6' },
      { op: 'acquire', user: 'bob', as: 'b1' },
      { op: 'acquire', user: 'bob', as: 'b2', expect: { snapshot: { waiting: 4 } } },
      // Alice's came first, but she has four of four.
      {
        op: 'release',
        lease: 'a1',
        expect: { leases: { a5: 'waits', b1: 5, b2: 'waits' }, closed: { 1: 'evicted' } },
      },
      { op: 'release', lease: 'a2', expect: { leases: { a5: 'waits', b2: 6 } } },
      // Two each: from here on everybody keeps what he has.
      { op: 'release', lease: 'a3', expect: { leases: { a5: 3, a6: 'waits' }, attempts: 6 } },
    ],
  },
  {
    name: 'leaves the room that was made for one identity to it',
    options: { maxConnections: 4 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'acquire', user: 'alice', as: 'a3' },
      { op: 'acquire', user: 'alice', as: 'a4' },
      { op: 'acquire', user: 'alice', as: 'a5' },
      { op: 'acquire', user: 'bob', as: 'b1' },
      { op: 'discard', lease: 'a1', expect: { leases: { a5: 'waits', b1: 5 } } },
    ],
  },
  {
    name: 'lets whoever is within his share keep what comes back to him',
    options: { maxConnections: 2 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'bob', as: 'b1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'acquire', user: 'bob', as: 'b2' },
      { op: 'release', lease: 'b1', expect: { leases: { b2: 2, a2: 'waits' }, closed: {} } },
      { op: 'release', lease: 'a1', expect: { leases: { a2: 1 }, closed: {}, attempts: 2 } },
    ],
  },
  {
    name: 'closes first what is idle of whoever is above his share, not what is idle for longest',
    options: { maxConnections: 4 },
    steps: [
      { op: 'acquire', user: 'bob', as: 'b1' },
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'acquire', user: 'alice', as: 'a3' },
      { op: 'acquire', user: 'carol', as: 'c1', expect: { leases: { c1: 'waits' } } },
      { op: 'acquire', user: 'bob', as: 'b2', canLogIn: false },
      { op: 'acquire', user: 'dave', as: 'd1', expect: { leases: { d1: 'waits' } } },
      { op: 'release', lease: 'a1', expect: { leases: { c1: 5, d1: 'waits' }, closed: { 2: 'evicted' } } },
      { op: 'release', lease: 'a2', expect: { leases: { d1: 6 }, closed: { 2: 'evicted', 3: 'evicted' } } },
    ],
  },
  {
    name: 'keeps lending idle connections while another identity, which can open none, waits',
    options: { maxConnections: 4 },
    steps: [
      { op: 'acquire', user: 'bob', as: 'b1' },
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'logins', manner: 'limit' },
      { op: 'acquire', user: 'bob', as: 'b2', expect: { leases: { b2: 'waits' } } },
      { op: 'logins', manner: 'ok' },
      { op: 'acquire', user: 'alice', as: 'a3' },
      // The total is full, bob has less than his share, but the server lets him have no more.
      { op: 'release', lease: 'a1', expect: { snapshot: { idle: 1 } } },
      { op: 'acquire', user: 'alice', as: 'a4', expect: { leases: { a4: 2 } } },
    ],
  },
  {
    name: 'keeps lending idle connections while another identity waits without credentials',
    options: { maxConnections: 4 },
    steps: [
      { op: 'acquire', user: 'bob', as: 'b1' },
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'acquire', user: 'alice', as: 'a3' },
      { op: 'acquire', user: 'bob', as: 'b2', canLogIn: false, expect: { leases: { b2: 'waits' } } },
      { op: 'release', lease: 'a1', expect: { closed: {} } },
      { op: 'acquire', user: 'alice', as: 'a4', expect: { leases: { a4: 2, b2: 'waits' } } },
    ],
  },
  {
    name: 'closes first what is idle of whoever is above his share, whoever else has been idle for longer',
    options: { maxConnections: 6 },
    steps: [
      { op: 'server', command: 'LOGOUT', manner: 'ignore' },
      { op: 'acquire', user: 'zoe', as: 'z1' },
      { op: 'acquire', user: 'bob', as: 'b1' },
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'acquire', user: 'alice', as: 'a3' },
      { op: 'acquire', user: 'alice', as: 'a4' },
      { op: 'release', lease: 'z1' },
      { op: 'advance', ms: 10 },
      { op: 'release', lease: 'b1' },
      { op: 'advance', ms: 10 },
      { op: 'release', lease: 'a1' },
      {
        op: 'acquire',
        user: 'carol',
        as: 'c1',
        expect: { leases: { c1: 'waits' }, snapshot: { closing: 1 } },
      },
      {
        op: 'acquire',
        user: 'dave',
        as: 'd1',
        expect: { leases: { d1: 'waits' }, snapshot: { closing: 2 } },
      },
      {
        op: 'advance',
        ms: 1_000,
        expect: { closed: { 1: 'evicted', 3: 'evicted' }, leases: { c1: 7, d1: 8 } },
      },
    ],
  },
];
