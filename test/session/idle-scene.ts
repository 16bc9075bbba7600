// Two users, of whom one is about to idle; and what is expected of her connection afterwards.

import { expect } from 'vitest';
import type { RawClient } from '../support/raw-client.js';
import type { UpstreamConnection } from '../support/scripted-upstream.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

export interface Scene {
  readonly s: Stage;
  readonly client: RawClient;
  readonly connection: UpstreamConnection;
  readonly bob: RawClient;
}

/** Makes stages on which Alice has a mailbox selected, and Bob is to notice nothing. Once in a file, at its top level. */
export function useIdleScenes(): (environment?: Readonly<Record<string, string>>) => Promise<Scene> {
  const stage = useStages();
  return async (environment = {}) => {
    const s = await stage({ environment });
    const { client: bob } = await s.lease('bob');
    const { client, connection } = await s.lease('alice');
    expect((await client.command('SELECT INBOX')).status).toBe('OK');
    return { s, client, connection, bob };
  };
}

/** The connection is proven clean and lent again; Bob has only got what is his. */
export async function expectKept({ s, connection, bob }: Scene): Promise<void> {
  await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
  expect(connection.selected).toBeUndefined();
  expect(connection.isIdling).toBe(false);
  const next = await s.lease('alice');
  expect(next.connection).toBe(connection);
  expect(next.client.received.toString('latin1')).not.toMatch(/ EXISTS|idling|IDLE done/);
  expect((await bob.command('NOOP')).untagged).toEqual([]);
}

export async function expectRetired({ s, connection, bob }: Scene): Promise<void> {
  await connection.waitForClose();
  const next = await s.lease('alice');
  expect(next.connection).not.toBe(connection);
  expect(next.client.received.toString('latin1')).not.toMatch(/ EXISTS|idling|IDLE done/);
  expect((await bob.command('NOOP')).untagged).toEqual([]);
}

export async function beginIdle(client: RawClient): Promise<string> {
  const tag = await client.begin('IDLE');
  await client.expectContinuation();
  return tag;
}
