// Scenarios of short ports: what is open is put to use, and nobody waits for what can't come.

import type { Scenario } from './scenario.js';

export const PRESSURE: readonly Scenario[] = [
  {
    name: 'opens none for whoever has one at medium, and one for whoever has none',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'pressure', level: 'medium' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 'waits' }, attempts: 1 } },
      { op: 'acquire', user: 'bob', as: 'b1', expect: { leases: { b1: 2 } } },
      { op: 'release', lease: 'a1', expect: { leases: { a2: 1 }, attempts: 2 } },
    ],
  },
  {
    name: 'closes an idle connection of another set at medium, and opens one in its place',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'bob', as: 'b1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1' },
      { op: 'release', lease: 'b1' },
      { op: 'pressure', level: 'medium' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        expect: { leases: { a2: 3 }, closed: { 1: 'evicted' }, attempts: 3, snapshot: { idle: 1 } },
      },
    ],
  },
  {
    name: 'closes one of another set at medium for a session of a set that has none, too',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1' },
      { op: 'pressure', level: 'medium' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        enable: 'UTF8=ACCEPT',
        expect: {
          leases: { a2: 2 },
          closed: { 1: 'evicted' },
          enabled: { 1: ['CONDSTORE'], 2: ['UTF8=ACCEPT'] },
        },
      },
    ],
  },
  {
    name: 'opens no more than one in the place of one at medium, while others of the identity are leased',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a2' },
      { op: 'pressure', level: 'medium' },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { leases: { a3: 3 }, closed: { 2: 'evicted' } } },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a4',
        expect: { leases: { a4: 'waits' }, attempts: 3, snapshot: { leased: 2, closing: 0 } },
      },
    ],
  },
  {
    name: 'opens none in a place that another of the identity has taken meanwhile',
    steps: [
      { op: 'server', command: 'LOGOUT', manner: 'ignore' },
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1' },
      { op: 'pressure', level: 'medium' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        expect: { leases: { a2: 'waits' }, snapshot: { closing: 1 } },
      },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { leases: { a3: 'waits' }, attempts: 1 } },
      { op: 'serverCloses', connection: 1, expect: { leases: { a2: 2, a3: 'waits' }, attempts: 2 } },
      { op: 'release', lease: 'a2', expect: { leases: { a3: 2 }, attempts: 2 } },
    ],
  },
  {
    name: 'spares what is idle at medium for a session without credentials',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1' },
      { op: 'pressure', level: 'medium' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        canLogIn: false,
        expect: { leases: { a2: 'upstream_lost' }, closed: {}, snapshot: { idle: 1 } },
      },
    ],
  },
  {
    name: 'refuses at high where only connections of another set are there, and all of them idle',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1' },
      { op: 'pressure', level: 'high' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        expect: {
          leases: { a2: 'pressure' },
          words: { a2: 'Ports towards the mail server are running short; try again later' },
          closed: {},
          snapshot: { idle: 1, waiting: 0 },
        },
      },
      { op: 'acquire', user: 'alice', as: 'a3', enable: 'CONDSTORE', expect: { leases: { a3: 1 } } },
      { op: 'acquire', user: 'alice', as: 'a4', expect: { leases: { a4: 'waits' } } },
      // It comes back, and is of no use to the one who waits.
      { op: 'release', lease: 'a3', expect: { leases: { a4: 'pressure' }, snapshot: { idle: 1 } } },
    ],
  },
  {
    name: 'refuses whoever waits when the pressure becomes high and nothing can come back',
    steps: [
      { op: 'server', command: 'LOGOUT', manner: 'ignore' },
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1' },
      { op: 'pressure', level: 'medium' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 'waits' } } },
      { op: 'pressure', level: 'high' },
      { op: 'serverCloses', connection: 1, expect: { leases: { a2: 'pressure' }, attempts: 1 } },
    ],
  },
  {
    name: 'lets the second of two at high wait for the connection that the first one was just promised',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'pressure', level: 'high' },
      { op: 'acquire', user: 'alice', as: 'a2', isFollowedAtOnce: true },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { leases: { a2: 1, a3: 'waits' } } },
      { op: 'release', lease: 'a2', expect: { leases: { a3: 1 }, attempts: 1 } },
    ],
  },
];
