// Scenarios of ENABLE: who is lent a connection on which something is enabled.

import type { Scenario } from './scenario.js';

export const ENABLED_SETS: readonly Scenario[] = [
  {
    name: 'enables on a new connection what the session wants, and says how the server answered',
    steps: [
      {
        op: 'acquire',
        user: 'alice',
        as: 'a1',
        enable: 'CONDSTORE',
        expect: {
          leases: { a1: 1 },
          enabled: { 1: ['CONDSTORE'] },
          replies: { a1: '* ENABLED CONDSTORE' },
          events: ['leased'],
        },
      },
    ],
  },
  {
    name: 'lends a connection of the set without another ENABLE, with the same answer',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1', expect: { snapshot: { idle: 1 } } },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        enable: 'CONDSTORE',
        expect: {
          leases: { a2: 1 },
          reused: { a2: true },
          enabled: { 1: ['CONDSTORE'] },
          replies: { a2: '* ENABLED CONDSTORE' },
          events: ['leased', 'ended', 'leased again'],
        },
      },
    ],
  },
  {
    name: 'never lends a connection on which something is enabled to a session that wants nothing',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        expect: { leases: { a2: 2 }, enabled: { 1: ['CONDSTORE'] }, snapshot: { idle: 1, leased: 1 } },
      },
    ],
  },
  {
    name: 'never lends a connection of one set to a session of another',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        enable: 'UTF8=ACCEPT',
        expect: { leases: { a2: 2 }, enabled: { 1: ['CONDSTORE'], 2: ['UTF8=ACCEPT'] } },
      },
    ],
  },
  {
    name: 'never lends a connection of a set to another identity',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1' },
      { op: 'acquire', user: 'bob', as: 'b1', enable: 'CONDSTORE', expect: { leases: { b1: 2 } } },
    ],
  },
  {
    name: 'converts an idle plain connection rather than open another',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1' },
      { op: 'release', lease: 'a1' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        enable: 'CONDSTORE',
        expect: { leases: { a2: 1 }, reused: { a2: true }, attempts: 1, enabled: { 1: ['CONDSTORE'] } },
      },
      { op: 'release', lease: 'a2' },
      { op: 'acquire', user: 'alice', as: 'a3', enable: 'CONDSTORE', expect: { leases: { a3: 1 } } },
      { op: 'acquire', user: 'alice', as: 'a4', expect: { leases: { a4: 2 }, attempts: 2 } },
    ],
  },
  {
    name: 'prefers a connection of the set to a plain one',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'acquire', user: 'alice', as: 'a2' },
      { op: 'release', lease: 'a1' },
      { op: 'release', lease: 'a2' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a3',
        enable: 'CONDSTORE',
        expect: { leases: { a3: 1 }, enabled: { 1: ['CONDSTORE'] } },
      },
    ],
  },
  {
    name: 'takes a request in another order for the same set, once its own answer is known',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE UTF8=ACCEPT' },
      { op: 'release', lease: 'a1' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a2',
        enable: 'UTF8=ACCEPT CONDSTORE',
        // The server never answered these words: they are asked of another connection first.
        expect: { leases: { a2: 2 }, replies: { a2: '* ENABLED UTF8=ACCEPT CONDSTORE' } },
      },
      { op: 'release', lease: 'a2' },
      { op: 'acquire', user: 'alice', as: 'a3', enable: 'CONDSTORE UTF8=ACCEPT' },
      {
        op: 'acquire',
        user: 'alice',
        as: 'a4',
        enable: 'UTF8=ACCEPT CONDSTORE',
        expect: {
          leases: { a3: 2, a4: 1 },
          replies: { a3: '* ENABLED CONDSTORE UTF8=ACCEPT', a4: '* ENABLED UTF8=ACCEPT CONDSTORE' },
          attempts: 2,
        },
      },
    ],
  },
  {
    name: 'takes QRESYNC for a set with CONDSTORE in it',
    steps: [
      { op: 'acquire', user: 'alice', as: 'a1', enable: 'CONDSTORE' },
      { op: 'release', lease: 'a1' },
      { op: 'server', command: 'ENABLE', manner: 'refuse' },
      { op: 'acquire', user: 'alice', as: 'a2', enable: 'QRESYNC', expect: { replies: { a2: 'none' } } },
    ],
  },
];
