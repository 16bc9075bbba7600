// A token may be believed whatever name comes beside it: what it opened is lent to those who present the same token.

import type { Operation, Scenario } from './scenario.js';

export const TOKENS: readonly Scenario[] = [
  {
    name: 'lends what a token opened to those with the same token, and to nobody else',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', token: 'one' },
      { op: 'release', lease: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', token: 'two', expect: { leases: { a2: 2 } } },
      { op: 'acquire', user: 'alice', as: 'a3', expect: { leases: { a3: 3 } } },
      { op: 'acquire', user: 'alice', as: 'a4', token: 'one', expect: { leases: { a4: 1 }, attempts: 3 } },
      { op: 'release', lease: 'a2' },
      { op: 'release', lease: 'a3' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a5',
        expect: { leases: { a5: 3 }, attempts: 3, snapshot: { pools: 1 } },
      },
    ],
  },
  {
    name: 'closes the connection of an old token for a new one where the identity may have no more',
    options: { maxConnectionsPerUser: 1 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', token: 'one' },
      { op: 'release', lease: 'a1' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        token: 'two',
        expect: { leases: { a2: 2 }, closed: { 1: 'evicted' }, snapshot: { pools: 1 } },
      },
    ],
  },
  {
    name: 'lets a verified token take the place of the longest idle connection, whichever token that is of',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', token: 'one' },
      { op: 'release', lease: 'a1' },
      {
        op: 'adopt',
        user: 'alice',
        as: 'v',
        token: 'two',
        expect: { leases: { v: 2 }, closed: { 1: 'credentials' } },
      },
      { op: 'release', lease: 'v' },
      { op: 'acquire', user: 'alice', as: 'a2', token: 'two', expect: { leases: { a2: 2 } } },
    ],
  },
  {
    name: 'keeps what is enabled apart by token, too',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', token: 'one', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'alice', as: 'b1', token: 'two' },
      { op: 'release', lease: 'a1' },
      { op: 'exchange', lease: 'b1', enable: 'CONDSTORE', expect: { leases: { b1: 2 } } },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        token: 'two',
        enable: 'CONDSTORE',
        expect: { leases: { a2: 3 } },
      },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a3',
        token: 'one',
        enable: 'CONDSTORE',
        expect: { leases: { a3: 1 } },
      },
    ],
  },
  {
    name: 'forgets the tokens that have no connection left, so that what is enabled still has its place',
    options: { maxConnectionsPerUser: 1 },
    steps: [
      ...Array.from({ length: 30 }, (_, n): Operation[] => [
        {
          op: 'acquire',
          user: 'alice',
          as: `a${String(n)}`,
          token: `token-${String(n)}`,
          enable: 'CONDSTORE',
        },
        { op: 'release', lease: `a${String(n)}`, after: 'NOOP' },
      ]).flat(),
      { op: 'acquire', user: 'alice', as: 'last', token: 'last', enable: 'CONDSTORE' },
      { op: 'release', lease: 'last', after: 'NOOP' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'again',
        token: 'last',
        enable: 'CONDSTORE',
        expect: { leases: { again: 31 }, attempts: 31 },
      },
    ],
  },
  {
    name: 'gives up at once where the token is not there any more and only others’ connections are idle',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', token: 'one' },
      { op: 'release', lease: 'a1' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        token: 'two',
        canLogIn: false,
        expect: { leases: { a2: 'upstream_lost' } },
      },
    ],
  },
  {
    name: 'gives up at once where only others’ connections could come back, and takes none of these for it',
    options: { maxConnectionsPerUser: 1, reservedPerUser: 1 },
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', token: 'one' },
      { op: 'holder', lease: 'a1', isInIdle: true },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        token: 'two',
        canLogIn: false,
        expect: { leases: { a2: 'upstream_lost' } },
      },
      { op: 'advance', ms: 1_000, expect: { leases: { a1: 1 } } },
    ],
  },
  {
    name: 'waits where the token is not there any more, and what it opened is lent',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', token: 'one' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        token: 'one',
        canLogIn: false,
        expect: { leases: { a2: 'waits' } },
      },
      { op: 'release', lease: 'a1', expect: { leases: { a2: 1 } } },
    ],
  },
  {
    name: 'has a place for what is enabled with any number of tokens at once',
    options: { maxConnectionsPerUser: 20 },
    steps: [
      ...Array.from({ length: 18 }, (_, n): Operation[] => [
        {
          op: 'acquire',
          user: 'alice',
          as: `a${String(n)}`,
          token: `token-${String(n)}`,
          enable: 'CONDSTORE',
        },
        { op: 'release', lease: `a${String(n)}`, after: 'NOOP' },
      ]).flat(),
      {
        op: 'acquire',
        user: 'alice',
        as: 'again',
        token: 'token-17',
        enable: 'CONDSTORE',
        expect: { leases: { again: 18 }, attempts: 18, replies: { again: '* ENABLED CONDSTORE' } },
      },
    ],
  },
];
