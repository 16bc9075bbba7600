// The check of the upstream that is not a login: how far it goes, and how it leaves.

import { expect, it } from 'vitest';
import { Upstream } from '../../src/upstream/connect.js';
import { SourceAddresses } from '../../src/upstream/source-addresses.js';
import { startScriptedUpstream } from '../support/scripted-upstream.js';
import type { ScriptedUpstream } from '../support/scripted-upstream.js';

function upstreamAt({ host, port }: { host: string; port: number }): Upstream {
  return new Upstream({
    host,
    port,
    tls: 'off',
    tlsVerify: true,
    tlsFiles: {},
    timeoutMs: 5_000,
    sources: new SourceAddresses([]),
    loginTimeoutMs: 5_000,
    now: () => performance.now(),
    events: {
      onDialing: () => undefined,
      onDialed: () => undefined,
      onDialFailed: () => undefined,
      onSourceFailed: () => undefined,
      onSocketClosed: () => undefined,
      onConnectStarted: () => undefined,
      onOpened: () => undefined,
      onConnectFailed: () => undefined,
      onClosed: () => undefined,
    },
    reportFault: (error) => {
      throw error;
    },
  });
}

async function withServer(use: (server: ScriptedUpstream) => Promise<void>): Promise<void> {
  const server = await startScriptedUpstream();
  try {
    await use(server);
  } finally {
    await server.close();
  }
}

it('goes as far as the greeting, says LOGOUT and lets the server close first', () =>
  withServer(async (server) => {
    await upstreamAt(server).probe();
    const [connection] = server.connections;
    expect(connection?.verbs.at(-1)).toBe('LOGOUT');
    expect(connection?.verbs).not.toContain('AUTHENTICATE');
    expect(await connection?.waitForClose()).toMatchObject({ by: 'server' });
  }));

it('waits no longer than a second for a server that does not close', () =>
  withServer(async (server) => {
    server.script.closesOnLogout = false;
    const startedAt = performance.now();
    await upstreamAt(server).probe();
    expect(performance.now() - startedAt).toBeGreaterThan(900);
    expect(await server.connections[0]?.waitForClose()).toMatchObject({ by: 'client' });
  }));

it('fails as the connecting fails', async () => {
  await withServer(async (server) => {
    server.script.greeting = '* BYE not now';
    await expect(upstreamAt(server).probe()).rejects.toMatchObject({ code: 'greeting' });
    server.stopListening();
    await expect(upstreamAt(server).probe()).rejects.toMatchObject({ code: 'refused' });
  });
});

it('is given up when the upstream is closed', () =>
  withServer(async (server) => {
    server.script.greeting = null;
    const upstream = upstreamAt(server);
    const probe = upstream.probe();
    const connection = await server.nextConnection();
    await upstream.close();
    await expect(probe).rejects.toMatchObject({ code: 'network' });
    await connection.waitForClose();
  }));
