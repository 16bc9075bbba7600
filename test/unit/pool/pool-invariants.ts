// What must be true of the pools whenever nothing is under way, whatever happened before.

import { expect } from 'vitest';
import type { Lease } from '../../../src/pool/lease.js';
import type { UpstreamConnection } from '../../../src/upstream/connection.js';
import type { MemorySession } from '../../support/memory-server.js';
import { enableRequest } from '../../support/pool-fixture.js';
import type { PoolFixture } from '../../support/pool-fixture.js';

/** What the test itself knows. */
export interface Known {
  /** The leases that have not ended, and what each session asked for. */
  readonly leases: ReadonlyMap<Lease, Wish>;
  readonly maxConnections: number;
  readonly maxConnectionsPerUser: number;
  /** Leases that are being exchanged: whose connection it is, is known only when that is over. */
  readonly exchanging?: number;
  /** Connections that are logged in and were not taken over, or not yet. */
  readonly unadopted?: ReadonlySet<UpstreamConnection>;
}

export interface Wish {
  readonly user: string;
  /** What is to be enabled. */
  readonly set: string | undefined;
  /** What it came with, if that was a token. */
  readonly token?: string | undefined;
}

/** What holds at any moment, even in the middle of a change. */
export function checkAlways(fixture: PoolFixture, known: Known, at: string): void {
  const { held, users } = fixture;
  const counted = countedSessions(fixture, known);
  const count = counted.length + held.length;
  if (count > known.maxConnections) expect.fail(`${at}: ${String(count)} connections in all`);
  const byUser = new Map<string, number>();
  const logins = new Map<string, number>();
  const add = (counts: Map<string, number>, user: string): void =>
    void counts.set(user, (counts.get(user) ?? 0) + 1);
  for (const { connection } of counted) add(byUser, users.get(connection)!);
  for (const { user } of held) {
    add(byUser, user);
    add(logins, user);
  }
  for (const [user, connections] of byUser)
    if (connections > known.maxConnectionsPerUser)
      expect.fail(`${at}: ${String(connections)} connections of ${user}`);
  for (const [user, openings] of logins)
    if (openings > 2) expect.fail(`${at}: ${String(openings)} logins of ${user} at once`);
  const lent = new Set([...known.leases.keys()].map(({ connection }) => connection));
  if (lent.size !== known.leases.size) expect.fail(`${at}: a connection is in two leases`);
}

/** What a session was lent: a connection of its own identity, and of its own token, on which the server enabled what it asked for. */
export function checkLent(fixture: PoolFixture, lease: Lease, wish: Wish, at: string): void {
  expect(fixture.users.get(lease.connection), at).toBe(wish.user);
  expect(fixture.tokens.get(lease.connection), at).toBe(wish.token ?? '');
  const enabled = fixture.server.sessionOf(lease.connection).enabled.map((text) => enableRequest(text).set);
  const reply = lease.enabled?.reply;
  if (reply === undefined) {
    // What it wants can't be enabled; then at least nothing else is.
    expect(enabled, at).toEqual([]);
    expect(lease.set, at).toBe('');
  } else {
    expect(enabled, at).toEqual([wish.set]);
    expect(lease.set, at).toBe(wish.set);
    expect(reply.untagged.toString(), at).toMatch(/^\* ENABLED /);
  }
}

/** What holds between two steps: every connection is in exactly one state, and is what the server knows. */
export function checkAtRest(fixture: PoolFixture, known: Known, at: string): void {
  const { server, held, pools, faults } = fixture;
  const { connecting, idle, leased, resetting, probing, closing } = pools.snapshot;
  const counted = countedSessions(fixture, known);
  const exchanging = known.exchanging ?? 0;
  // A session may hold what is gone until it hears of that.
  const gone = [...known.leases.keys()].filter(
    ({ connection }) => server.sessionOf(connection).isClosed,
  ).length;
  if (exchanging === 0) {
    expect(connecting + idle + leased + resetting + probing + closing, `${at}: states`).toBe(
      counted.length + held.length + gone,
    );
    const leaving = counted.filter(({ isLeaving }) => isLeaving);
    // After its BYE a server is told nothing more.
    const dismissed = counted.filter(({ isLeaving, connection }) => !isLeaving && connection.hasBye);
    expect(closing, `${at}: closing`).toBeGreaterThanOrEqual(leaving.length);
    expect(closing, `${at}: closing`).toBeLessThanOrEqual(leaving.length + dismissed.length);
  }
  expect(server.sessions.length - Object.keys(fixture.closed).length, `${at}: opened = closed + live`).toBe(
    server.open.length,
  );
  expect(leased, `${at}: leases`).toBe(known.leases.size + exchanging);
  expect([...faults, ...server.faults], `${at}: faults`).toEqual([]);
  checkAlways(fixture, known, at);
}

function countedSessions({ server }: PoolFixture, { unadopted }: Known): MemorySession[] {
  return server.open.filter(({ connection }) => unadopted?.has(connection) !== true);
}
