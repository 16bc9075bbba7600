// Scenarios of what the server says to ENABLE: no, or nothing.

import type { Scenario } from './scenario.js';

export const ENABLE_ANSWERS: readonly Scenario[] = [
  {
    name: 'lends a connection without an answer where the server refuses, asks no more, and retires it',
    steps: [
      { op: 'server', command: 'ENABLE', manner: 'refuse' },
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE', expect: { replies: { a1: 'none' } } },
      { op: 'server', command: 'ENABLE', manner: 'answer' },
      { op: 'release', lease: 'a1', expect: { closed: { 1: 'dirty' } } },
      { op: 'acquire', user: 'alice', as: 'a2', expect: { leases: { a2: 2 } } },
      {
        op: 'acquire',
        user: 'bob',
        as: 'b1',
        enable: 'CONDSTORE',
        expect: { leases: { b1: 3 }, enabled: { 3: ['CONDSTORE'] } },
      },
    ],
  },
  {
    name: 'remembers what the server refused, and lends a plain connection at once',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a0' },
      { op: 'server', command: 'ENABLE', manner: 'refuse' },
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'server', command: 'ENABLE', manner: 'answer' },
      { op: 'release', lease: 'a0' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        enable: 'CONDSTORE',
        expect: { leases: { a2: 1 }, enabled: {}, replies: { a2: 'none' } },
      },
      { op: 'release', lease: 'a2', expect: { closed: {}, snapshot: { idle: 1 } } },
    ],
  },
  {
    name: 'does not take a connection that was lost in the middle of ENABLE for a refusal',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1' },
      { op: 'acquire', user: 'alice', as: 'a2', enable: 'CONDSTORE', expect: { leases: { a2: 1 } } },
      { op: 'server', command: 'ENABLE', manner: 'close' },
      { op: 'acquire', user: 'alice', as: 'a3', enable: 'CONDSTORE', expect: { leases: { a3: 'ended' } } },
      { op: 'server', command: 'ENABLE', manner: 'answer' },
      { op: 'release', lease: 'a2' },
      // What was known before is known still.
      { op: 'acquire', user: 'alice', as: 'a4', enable: 'CONDSTORE', expect: { leases: { a4: 1 } } },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a5',
        enable: 'CONDSTORE',
        expect: { leases: { a5: 3 }, enabled: { 1: ['CONDSTORE'], 3: ['CONDSTORE'] } },
      },
    ],
  },
  {
    name: 'does not take silence to ENABLE for a refusal',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a0' },
      { op: 'server', command: 'ENABLE', manner: 'ignore' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a1',
        enable: 'CONDSTORE',
        expect: { leases: { a1: 'waits' }, snapshot: { connecting: 1, closing: 0, leased: 1 } },
      },
      { op: 'advance', ms: 4_999, expect: { leases: { a1: 'waits' } } },
      { op: 'advance', ms: 1, expect: { leases: { a1: 'ended' } } },
      { op: 'server', command: 'ENABLE', manner: 'answer' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        enable: 'CONDSTORE',
        expect: { leases: { a2: 3 }, enabled: { 3: ['CONDSTORE'] } },
      },
    ],
  },
];
