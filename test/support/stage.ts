// Starts proxies and clients for the tests of one file, and ends all of them after each test.

import { afterEach } from 'vitest';
import type { Dovecot } from './dovecot.js';
import { startProxy, type ProxyTarget, type TestProxy } from './proxy.js';
import { RawClient, type RawTarget } from './raw-client.js';

export interface Stage {
  /** Starts a proxy in front of this upstream; it is stopped after the test. */
  proxy(upstream: ProxyTarget, environment?: Readonly<Record<string, string>>): Promise<TestProxy>;
  /** Connects and reads the greeting; `{ port: dovecot.port }` is a direct session. */
  connect(target: RawTarget): Promise<RawClient>;
  /** Connects and logs in. */
  logIn(target: RawTarget, user: string, password?: string): Promise<RawClient>;
}

/** To be called once in a `describe`. */
export function useStage(): Stage {
  const clients: RawClient[] = [];
  const proxies: TestProxy[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) {
      client.destroy();
      await client.closed;
    }
    for (const proxy of proxies.splice(0)) await proxy.stop();
  });
  const connect = async (target: RawTarget): Promise<RawClient> => {
    const { client } = await RawClient.connectAndGreet(target);
    clients.push(client);
    return client;
  };
  return {
    connect,
    proxy: async (upstream, environment) => {
      const proxy = await startProxy(upstream, environment);
      proxies.push(proxy);
      return proxy;
    },
    logIn: async (target, user, password = 'secret') => {
      const client = await connect(target);
      const { status, text } = await client.command(`LOGIN ${user} ${password}`, 20_000);
      if (status !== 'OK') throw new Error(`LOGIN ${user}: ${status} ${text}`);
      return client;
    },
  };
}

/** Where the proxy finds this Dovecot in plain text (and STARTTLS). */
export function plainly(dovecot: Dovecot): ProxyTarget {
  return { host: dovecot.host, port: dovecot.port };
}

/** The bodies of a mailbox: each has its owner's mark in it. */
export async function readBodies(client: RawClient, mailbox = 'INBOX'): Promise<string[]> {
  const selected = await client.command(`SELECT ${mailbox}`);
  if (selected.status !== 'OK') throw new Error(`SELECT ${mailbox}: ${selected.status} ${selected.text}`);
  const { literals, status, text } = await client.command('UID FETCH 1:* BODY.PEEK[]');
  if (status !== 'OK') throw new Error(`UID FETCH: ${status} ${text}`);
  return literals.map((body) => body.toString('latin1'));
}

/** Lets a client log out, and waits until the proxy has hung up. */
export async function logOut(client: RawClient): Promise<void> {
  const { status, untagged } = await client.command('LOGOUT');
  if (status !== 'OK' || !untagged.some((line) => line.startsWith('* BYE'))) {
    throw new Error(`LOGOUT: ${status} after ${untagged.join(' | ')}`);
  }
  await client.waitForClose();
}
