// Scenarios of exchange: a session that holds a lease wants something enabled.

import type { Scenario } from './scenario.js';

export const EXCHANGE: readonly Scenario[] = [
  {
    name: 'gives an idle connection of the set for the one that is held',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        expect: { leases: { a2: 2 }, events: ['leased', 'ended', 'leased'] },
      },
      {
        op: 'exchange',
        lease: 'a2',
        enable: 'CONDSTORE',
        expect: {
          leases: { a2: 1 },
          replies: { a2: '* ENABLED CONDSTORE' },
          reused: { a2: true },
          events: ['swapped', 'ended'],
          enabled: { 1: ['CONDSTORE'] },
          snapshot: { idle: 1, leased: 1 },
        },
      },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { leases: { a3: 2 }, attempts: 2 } },
    ],
  },
  {
    name: 'converts the connection that is held where none of the set is idle',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      {
        op: 'exchange',
        lease: 'a1',
        enable: 'CONDSTORE',
        expect: { leases: { a1: 1 }, replies: { a1: '* ENABLED CONDSTORE' }, events: ['leased'] },
      },
      { op: 'release', lease: 'a1', expect: { events: ['ended', 'reset clean'], snapshot: { idle: 1 } } },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 2 } } },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a3',
        enable: 'CONDSTORE',
        expect: { leases: { a3: 1 }, attempts: 2 },
      },
    ],
  },
  {
    name: 'does not give a connection that another request has been promised',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      {
        op: 'exchange',
        lease: 'a2',
        enable: 'CONDSTORE',
        expect: { leases: { a1: 1, a2: 2 }, enabled: { 1: ['CONDSTORE'], 2: ['CONDSTORE'] } },
      },
    ],
  },
  {
    name: 'keeps the connection, without an answer, where the server refuses; it is retired at release',
    steps: [
      { op: 'server', command: 'ENABLE', manner: 'refuse' },
      { op: 'acquire', user: 'alice', as: 'a1' },
      {
        op: 'exchange',
        lease: 'a1',
        enable: 'CONDSTORE',
        expect: { leases: { a1: 1 }, replies: { a1: 'none' } },
      },
      { op: 'release', lease: 'a1', expect: { closed: { 1: 'dirty' } } },
    ],
  },
  {
    name: 'converts the connection that is held if the idle one has died',
    options: { probeAfterMs: 0 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'server', command: 'NOOP', manner: 'close' },
      {
        op: 'exchange',
        lease: 'a2',
        enable: 'CONDSTORE',
        expect: { leases: { a2: 2 }, closed: { 1: 'eof' }, replies: { a2: '* ENABLED CONDSTORE' } },
      },
    ],
  },
  {
    name: 'still knows the answer when both connections die in the middle of it',
    options: { probeAfterMs: 0 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a0', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 3 } } },
      { op: 'server', command: 'NOOP', manner: 'ignore' },
      {
        op: 'exchange',
        lease: 'a2',
        enable: 'CONDSTORE',
        expect: { leases: { a2: 3 }, snapshot: { probing: 1 } },
      },
      { op: 'serverCloses', connection: 3, how: 'break' },
      { op: 'advance', ms: 2_000, expect: { closed: { 2: 'probe', 3: 'error' }, leases: { a2: 'ended' } } },
      { op: 'server', command: 'NOOP', manner: 'answer' },
      { op: 'release', lease: 'a0' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a3',
        enable: 'CONDSTORE',
        expect: { leases: { a3: 1 }, attempts: 3 },
      },
    ],
  },
  {
    name: 'gives no connection that has been told to go',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'release', lease: 'a1' },
      { op: 'reconnect', expect: { closed: { 1: 'stale' } } },
      { op: 'exchange', lease: 'a2', enable: 'CONDSTORE', expect: { leases: { a2: 2 } } },
      { op: 'release', lease: 'a2', expect: { closed: { 1: 'stale', 2: 'stale' }, evictions: ['admin'] } },
    ],
  },
];
