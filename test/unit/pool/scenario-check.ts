// Looks whether everything is as a step of a scenario expects it.

import { expect } from 'vitest';
import { ProxyError } from '../../../src/errors.js';
import type { PoolFixture } from '../../support/pool-fixture.js';
import type { ScenarioSessions } from './scenario-sessions.js';
import type { Expectation } from './scenarios/scenario.js';

export function checkExpected(
  fixture: PoolFixture,
  sessions: ScenarioSessions,
  expected: Expectation,
  at: string,
): void {
  const { pools, server, events, closed, held, attempts, evictions, waits } = fixture;
  const stateOf = (name: string): unknown => {
    const { state } = sessions.of(name);
    if (state instanceof ProxyError) return state.code;
    return typeof state === 'string' ? state : state.connection.id;
  };
  const seen: Record<keyof Expectation, unknown> = {
    leases: each(expected.leases, stateOf),
    events: expected.events === undefined ? undefined : events.splice(0),
    snapshot: each(expected.snapshot, (key) => pools.snapshot[key as keyof typeof pools.snapshot]),
    closed: { ...closed },
    held: held.map(({ user }) => user),
    attempts,
    enabled: Object.fromEntries(
      server.sessions
        .filter(({ enabled }) => enabled.length > 0)
        .map(({ connection, enabled }) => [connection.id, enabled]),
    ),
    replies: each(expected.replies, (name) => {
      const reply = sessions.leaseOf(name).enabled?.reply;
      return reply === undefined ? 'none' : reply.untagged.toString().trim();
    }),
    reused: each(expected.reused, (name) => sessions.leaseOf(name).isReuse),
    evictions,
    waits: waits.map(Math.round),
    words: each(expected.words, (name) => {
      const { state } = sessions.of(name);
      return state instanceof ProxyError ? state.refusal.text : 'not refused';
    }),
  };
  for (const [key, value] of Object.entries(expected))
    expect(seen[key as keyof Expectation], `${at}: ${key}`).toEqual(value);
}

function each(
  expected: object | undefined,
  look: (key: string) => unknown,
): Record<string, unknown> | undefined {
  if (expected === undefined) return undefined;
  return Object.fromEntries(Object.keys(expected).map((key) => [key, look(key)]));
}
