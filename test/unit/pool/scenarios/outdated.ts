// Scenarios of connections that are not to be lent again: after a reconnect, and of credentials that are refused.

import type { Scenario } from './scenario.js';

export const OUTDATED: readonly Scenario[] = [
  {
    name: 'reconnect closes idle connections of every set at once, and leased ones at release',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'bob', as: 'b1' },
      { op: 'release', lease: 'a2' },
      { op: 'release', lease: 'b1' },
      { op: 'reconnect', expect: { closed: { 2: 'stale', 3: 'stale' }, snapshot: { leased: 1, idle: 0 } } },
      { op: 'release', lease: 'a1', after: 'NOOP' },
      {
        op: 'advance',
        ms: 0,
        expect: { closed: { 1: 'stale', 2: 'stale', 3: 'stale' }, evictions: ['admin', 'admin'] },
      },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { leases: { a3: 4 } } },
      { op: 'release', lease: 'a3', expect: { snapshot: { idle: 1 } } },
    ],
  },
  {
    name: 'reconnect closes a connection at release that was being opened',
    steps: [
      { op: 'logins', manner: 'hold' },
      { op: 'acquire', user: 'alice', as: 'a1', expect: { held: ['alice'] } },
      { op: 'reconnect' },
      { op: 'login', outcome: 'ok', expect: { leases: { a1: 1 } } },
      { op: 'release', lease: 'a1', expect: { closed: { 1: 'stale' } } },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'login', outcome: 'ok' },
      { op: 'release', lease: 'a2', expect: { closed: { 1: 'stale' }, snapshot: { idle: 1 } } },
    ],
  },
  {
    name: 'reconnect closes a connection that is being reset as soon as it is clean',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'server', command: 'FETCH', manner: 'ignore' },
      { op: 'release', lease: 'a1', after: 'FETCH', expect: { snapshot: { resetting: 1 } } },
      { op: 'reconnect', expect: { closed: {} } },
      { op: 'serverAnswers', connection: 1, expect: { closed: { 1: 'stale' }, evictions: ['admin'] } },
    ],
  },
  {
    name: 'reconnect keeps a connection from being lent that is just being probed',
    options: { probeAfterMs: 1_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'advance', ms: 1_000 },
      { op: 'server', command: 'NOOP', manner: 'ignore' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { snapshot: { probing: 1 } } },
      { op: 'reconnect' },
      { op: 'serverAnswers', connection: 1, expect: { leases: { a2: 2 }, closed: { 1: 'stale' } } },
    ],
  },
  {
    name: 'revoke closes what the credential opened while idle, and nothing else',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', credential: 'old' },
      { op: 'acquire', user: 'alice', as: 'a2', credential: 'new' },
      { op: 'acquire', user: 'bob', as: 'b1', credential: 'old' },
      { op: 'release', lease: 'a1' },
      { op: 'release', lease: 'a2' },
      { op: 'release', lease: 'b1' },
      {
        op: 'revoke',
        user: 'alice',
        credential: 'old',
        expect: { closed: { 1: 'credentials' }, snapshot: { idle: 2 } },
      },
      { op: 'acquire', user: 'alice', as: 'a3', credential: 'old', expect: { leases: { a3: 2 } } },
    ],
  },
  {
    name: 'revoke lets the session of a lease go on, and closes its connection at release',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', credential: 'old' },
      { op: 'revoke', user: 'alice', credential: 'old', expect: { leases: { a1: 1 }, closed: {} } },
      { op: 'release', lease: 'a1', after: 'NOOP' },
      { op: 'advance', ms: 0, expect: { closed: { 1: 'credentials' }, evictions: ['credentials'] } },
    ],
  },
  {
    name: 'revoke keeps a connection from being lent to others that is just being probed',
    options: { probeAfterMs: 1_000 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', credential: 'old' },
      { op: 'release', lease: 'a1' },
      { op: 'advance', ms: 1_000 },
      { op: 'server', command: 'NOOP', manner: 'ignore' },
      { op: 'acquire', user: 'alice', as: 'a2', credential: 'new', expect: { snapshot: { probing: 1 } } },
      { op: 'revoke', user: 'alice', credential: 'old' },
      { op: 'serverAnswers', connection: 1, expect: { leases: { a2: 2 }, closed: { 1: 'credentials' } } },
    ],
  },
  {
    name: 'a verified connection takes the place of the longest idle one, of whichever set',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'release', lease: 'a1' },
      { op: 'advance', ms: 10 },
      { op: 'release', lease: 'a2' },
      {
        op: 'adopt',
        user: 'alice',
        as: 'v',
        expect: { leases: { v: 3 }, closed: { 1: 'credentials' }, attempts: 2 },
      },
    ],
  },
  {
    name: 'a verified connection whose login began before a reconnect is closed at release',
    steps: [
      { op: 'adopt', user: 'alice', as: 'v', isOutdated: true, expect: { leases: { v: 1 } } },
      { op: 'release', lease: 'v', expect: { closed: { 1: 'stale' } } },
    ],
  },
  {
    name: 'a verified connection is closed and not queued where there is no room',
    options: { maxConnections: 1 },
    steps: [
      { op: 'acquire', user: 'bob', as: 'b1' },
      {
        op: 'adopt',
        user: 'alice',
        as: 'v',
        expect: { leases: { v: 'nothing' }, closed: { 2: 'evicted' }, snapshot: { waiting: 0, pools: 1 } },
      },
    ],
  },
  {
    name: 'a drain closes what is idle, refuses who waits and who comes, and closes the rest at release',
    options: { maxConnectionsPerUser: 2 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'bob', as: 'b1', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { leases: { a3: 'waits' } } },
      { op: 'release', lease: 'b1' },
      { op: 'drain', ms: 60_000, expect: { leases: { a3: 'draining' }, closed: { 3: 'drain' } } },
      { op: 'acquire', user: 'carol', as: 'c1', expect: { leases: { c1: 'draining' }, attempts: 3 } },
      { op: 'release', lease: 'a1', expect: { closed: { 1: 'drain', 3: 'drain' } } },
      { op: 'release', lease: 'a2', after: 'SELECT' },
      {
        op: 'advance',
        ms: 0,
        expect: { closed: { 1: 'drain', 2: 'drain', 3: 'drain' }, snapshot: { pools: 0 } },
      },
    ],
  },
  {
    name: 'a drain opens nothing for a request whose idle connection dies just then',
    options: { probeAfterMs: 0 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1' },
      { op: 'server', command: 'NOOP', manner: 'ignore' },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { snapshot: { probing: 1 } } },
      { op: 'drain', ms: 60_000 },
      {
        op: 'advance',
        ms: 2_000,
        expect: { leases: { a2: 'draining' }, attempts: 1, snapshot: { pools: 0 } },
      },
    ],
  },
];
