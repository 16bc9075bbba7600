/** Owns what a server's capabilities mean for the pool, and how passwords are sent because of them. */

import { loginWay } from '../upstream/login.js';
import type { CapabilitySet } from '../wire/capability.js';

export interface Advice {
  readonly topic: string;
  readonly text: string;
}

interface Row {
  readonly topic: string;
  /** What each of these means, the first that the server has counts; upper case. */
  readonly has: readonly (readonly [name: string, meaning: string])[];
  /** What it means that it has none of them. */
  readonly hasNone: string;
}

const ROWS: readonly Row[] = [
  {
    topic: 'UNSELECT',
    has: [['UNSELECT', 'a used connection is made clean by it, in one round trip']],
    hasNone: 'a used connection is made clean by EXAMINE of a name that does not exist, in one round trip',
  },
  {
    topic: 'literals',
    has: [
      ['LITERAL+', 'clients may send literals of any size without waiting'],
      ['LITERAL-', 'clients may send literals of up to 4096 bytes without waiting; a larger one gets BAD'],
      ['IMAP4REV2', 'clients may send literals of up to 4096 bytes without waiting; a larger one gets BAD'],
    ],
    hasNone: 'without LITERAL+ and LITERAL- a client that sends a literal without waiting gets BAD',
  },
  {
    topic: 'ENABLE',
    has: [
      [
        'ENABLE',
        'clients that begin with it share connections on which the same is enabled; later in a session it costs the connection',
      ],
    ],
    hasNone: 'no client can make a connection unfit for reuse by it',
  },
  {
    topic: 'IDLE',
    has: [
      [
        'IDLE',
        'a client in IDLE holds its connection all the time: UPSTREAM_RESERVED_PER_USER of a user’s connections are kept for others',
      ],
    ],
    hasNone: 'clients look for new mail by asking again and again',
  },
  {
    topic: 'COMPRESS',
    has: [
      [
        'COMPRESS=DEFLATE',
        'clients are not told of it: a compressed connection could not be lent to the next one',
      ],
    ],
    hasNone: 'nothing is lost: clients would not be told of it',
  },
];

/**
 * One piece of advice for each capability that matters to the pool.
 *
 * @param isAfterLogin - before it servers may keep some of them to themselves
 */
export function capabilityAdvice(capabilities: CapabilitySet, isAfterLogin: boolean): readonly Advice[] {
  return ROWS.map(({ topic, has, hasNone }) => {
    const found = has.find(([name]) => capabilities.has(name));
    if (found !== undefined) return { topic, text: `${found[0]}; ${found[1]}` };
    return { topic, text: isAfterLogin ? `none; ${hasNone}` : 'not shown before login' };
  });
}

/** How the proxy sends passwords to a server with these capabilities before login; undefined: it can't. */
export function passwordWay(capabilities: CapabilitySet): string | undefined {
  switch (loginWay(capabilities)) {
    case 'plain-at-once':
      return 'AUTHENTICATE PLAIN with the credentials in it (SASL-IR): one round trip';
    case 'plain':
      return 'AUTHENTICATE PLAIN without SASL-IR: two round trips';
    case 'login':
      return 'LOGIN, since AUTH=PLAIN is not offered';
    case undefined:
      return undefined;
  }
}
