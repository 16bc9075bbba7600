// Scenarios of the proof that an idle connection lives: before it is lent, and from time to time.

import type { Scenario } from './scenario.js';

export const PROOF: readonly Scenario[] = [
  {
    name: 'asks a connection before it lends it that has not answered for long',
    options: { probeAfterMs: 30_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1', after: 'NOOP' },
      { op: 'advance', ms: 29_999 },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        expect: { events: ['leased', 'ended', 'reset clean', 'leased again'] },
      },
      { op: 'release', lease: 'a2' },
      // It was not used: the server answered last at the reset.
      { op: 'advance', ms: 1 },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a3',
        expect: { leases: { a3: 1 }, events: ['ended', 'probed', 'leased again'] },
      },
    ],
  },
  {
    name: 'asks always if nothing is trusted',
    options: { probeAfterMs: 0 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', expect: { events: ['leased'] } },
      { op: 'release', lease: 'a1', after: 'NOOP' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        expect: { events: ['ended', 'reset clean', 'probed', 'leased again'] },
      },
    ],
  },
  {
    name: 'closes a connection that does not answer, and tries the next',
    options: { probeAfterMs: 1_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'release', lease: 'a1' },
      { op: 'release', lease: 'a2' },
      { op: 'advance', ms: 1_000 },
      { op: 'server', command: 'NOOP', manner: 'ignore' },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { snapshot: { probing: 1, idle: 1, closing: 0 } } },
      { op: 'advance', ms: 1_999, expect: { closed: {} } },
      { op: 'server', command: 'NOOP', manner: 'answer' },
      {
        op: 'advance',
        ms: 1,
        expect: {
          leases: { a3: 1 },
          closed: { 2: 'probe' },
          events: ['leased', 'leased', 'ended', 'ended', 'probed in vain', 'probed', 'leased again'],
          attempts: 2,
        },
      },
    ],
  },
  {
    name: 'opens a new connection when none of the idle ones lives',
    options: { probeAfterMs: 1_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'release', lease: 'a1' },
      { op: 'release', lease: 'a2' },
      { op: 'advance', ms: 1_000 },
      { op: 'server', command: 'NOOP', manner: 'close' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a3',
        expect: { leases: { a3: 3 }, closed: { 1: 'eof', 2: 'eof' } },
      },
    ],
  },
  {
    name: 'never lends a connection that answered wrong',
    options: { probeAfterMs: 0 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'server', command: 'NOOP', manner: 'refuse' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 2 }, closed: { 1: 'probe' } } },
    ],
  },
  {
    name: 'asks idle connections from time to time, and no more often',
    options: { keepaliveIntervalMs: 80_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { events: ['leased', 'leased', 'leased'] } },
      { op: 'release', lease: 'a1' },
      { op: 'release', lease: 'a2', expect: { events: ['ended', 'ended'] } },
      { op: 'advance', ms: 79_999, expect: { events: [] } },
      {
        op: 'advance',
        ms: 10_000,
        expect: { events: ['probed', 'probed'], snapshot: { idle: 2, probing: 0 } },
      },
      { op: 'advance', ms: 70_000, expect: { events: [] } },
      { op: 'advance', ms: 10_000, expect: { events: ['probed', 'probed'] } },
    ],
  },
  {
    name: 'does not take keepalive for use: the TTL goes on',
    options: { keepaliveIntervalMs: 8_000, mailboxCacheTtlMs: 20_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'advance', ms: 19_000, expect: { events: ['leased', 'ended', 'probed', 'probed'] } },
      { op: 'advance', ms: 6_000, expect: { closed: { 1: 'idle' } } },
    ],
  },
  {
    name: 'takes keepalive for a proof: the next session need not wait for one',
    options: { keepaliveIntervalMs: 80_000, probeAfterMs: 30_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'advance', ms: 100_000, expect: { events: ['leased', 'ended', 'probed'] } },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 1 }, events: ['leased again'] } },
    ],
  },
  {
    name: 'closes an idle connection that does not answer a keepalive',
    options: { keepaliveIntervalMs: 80_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'server', command: 'NOOP', manner: 'ignore' },
      { op: 'advance', ms: 80_000, expect: { snapshot: { idle: 1 } } },
      { op: 'advance', ms: 2_000, expect: { closed: { 1: 'probe' }, snapshot: { idle: 0, pools: 0 } } },
    ],
  },
  {
    name: 'lends a connection that is just being asked only once it has answered',
    options: { keepaliveIntervalMs: 80_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1', expect: { events: ['leased', 'ended'] } },
      { op: 'server', command: 'NOOP', manner: 'ignore' },
      { op: 'advance', ms: 80_000 },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        expect: { leases: { a2: 'waits' }, snapshot: { probing: 1, idle: 0 }, events: [] },
      },
      {
        op: 'serverAnswers',
        connection: 1,
        expect: { leases: { a2: 1 }, events: ['probed', 'leased again'] },
      },
    ],
  },
  {
    name: 'asks no more once it drains',
    options: { keepaliveIntervalMs: 80_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', expect: { events: ['leased'] } },
      { op: 'drain', ms: 1_000_000 },
      { op: 'advance', ms: 500_000, expect: { events: [] } },
      { op: 'discard', lease: 'a1' },
    ],
  },
  {
    name: 'takes the answer at the end of a lease for a proof',
    options: { probeAfterMs: 30_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'advance', ms: 40_000 },
      { op: 'release', lease: 'a1', after: 'NOOP' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        expect: { events: ['leased', 'ended', 'reset clean', 'leased again'] },
      },
    ],
  },
];
