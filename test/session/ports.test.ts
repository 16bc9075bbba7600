// What users notice when ports towards the upstream run short: in a network with few ports, taken for real.

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterEach, expect } from 'vitest';
import type { CommandResult } from '../support/raw-client.js';
import { startProxy } from '../support/proxy.js';
import { startScriptedUpstream } from '../support/scripted-upstream.js';
import { describeInOwnNetwork, setPortRange } from '../unit/ports/own-network.js';
import { Stage } from './stage.js';

const NO_PORT = '[UNAVAILABLE] No free port towards the mail server; try again later';
const SHORT = '[UNAVAILABLE] Ports towards the mail server are running short; try again later';

/** Below every range here: what listens takes none of the ports that are counted. */
const LISTENERS = { LISTEN: 'imap://127.0.0.1:1143', ADMIN_LISTEN: '127.0.0.1:9143' };
/** Each test has ports that no test before has left in TIME_WAIT. */
let lowestPort = 50_000;

const stages: Stage[] = [];
const outsiders: Socket[] = [];

afterEach(async () => {
  for (const socket of outsiders.splice(0)) socket.destroy();
  for (const stage of stages.splice(0)) await stage.strike();
});

/** A proxy that has so many ports for connections to its upstream. */
async function stageWithPorts(
  ports: number,
  environment: Readonly<Record<string, string>> = {},
): Promise<Stage> {
  setPortRange(40_000, 49_999);
  const upstream = await startScriptedUpstream();
  setPortRange(lowestPort, lowestPort + ports - 1);
  lowestPort += ports;
  const stage = new Stage(upstream, await startProxy(upstream, { ...LISTENERS, ...environment }));
  stages.push(stage);
  expect(await stage.metric('ephemeral_ports_limit')).toBe(ports);
  // That took a port, too, and has given it back.
  await stage.proxy.until(() => stage.logged('upstream is ready') === 1, 'the look at the upstream');
  // The table may have been read in the middle of that look: the next reading knows better.
  await stage.proxy.until(async () => (await used(stage)) === 0, 'no port taken', 15_000);
  return stage;
}

/** As the proxy counts. */
async function used(s: Stage): Promise<number> {
  return s.metric('ephemeral_ports_used', { state: 'open' });
}

/** Sessions of users who have none yet, one each, until so many ports are taken. */
async function leaseUntil(s: Stage, wanted: number, users: string[]): Promise<void> {
  while ((await used(s)) < wanted) await s.lease(users.shift());
}

/** Another program of this host takes the ports that are left; returns how many. */
async function exhaust(port: number): Promise<number> {
  for (let taken = 0; ; taken++) {
    const socket = connect({ port, host: '127.0.0.1' });
    const code = await new Promise<string>((resolve) => {
      socket.once('connect', () => {
        resolve('');
      });
      socket.once('error', (error: NodeJS.ErrnoException) => {
        resolve(error.code ?? error.message);
      });
    });
    if (code === 'EADDRNOTAVAIL') return taken;
    expect(code).toBe('');
    socket.on('error', () => undefined).resume();
    outsiders.push(socket);
  }
}

async function tryToLogIn(s: Stage, user: string): Promise<CommandResult> {
  const client = await s.connect();
  const result = await client.command(`LOGIN ${user} secret`);
  client.destroy();
  return result;
}

/** A session of a user who has a session already: its first command waits until that one has ended. */
async function expectToWaitForOwn(s: Stage, user: string): Promise<void> {
  const { client, connection } = await s.lease(user);
  const second = await s.logIn(user);
  const tag = await second.begin('NOOP');
  await s.untilWaiting(1);
  expect(second.unread).toBe('');
  await s.leave(client);
  expect(await second.finish(tag)).toMatchObject({ status: 'OK', text: `NOOP done (${user})` });
  expect(connection.verbs.filter((verb) => verb === 'NOOP').length).toBeGreaterThanOrEqual(2);
  await s.leave(second);
}

describeInOwnNetwork('ports that run short', import.meta.url, ({ it }) => {
  it('refuses cold users after EADDRNOTAVAIL, and lets warm ones wait for their own connection', async () => {
    const s = await stageWithPorts(30);
    await s.warm('alice');
    // Known, and without a connection.
    (await s.warm('bob')).destroy();
    await s.untilPool({ idle: 1 });
    expect(await exhaust(s.upstream.port)).toBe(29);
    expect(await s.metric('port_pressure'), 'before anything failed').toBe(0);

    expect(await tryToLogIn(s, 'user0')).toMatchObject({ status: 'NO', text: NO_PORT });
    expect(await s.metric('port_pressure')).toBe(2);
    expect(await s.metric('upstream_connect_failures_total', { reason: 'ephemeral_ports' })).toBe(1);
    expect(s.logged('ports towards the upstream are running short')).toBe(1);

    const connects = await s.metric('upstream_connects_total');
    for (const user of ['user0', 'user1'])
      expect(await tryToLogIn(s, user)).toMatchObject({ status: 'NO', text: SHORT });
    const known = await s.logIn('bob');
    expect(await known.command('NOOP')).toMatchObject({ status: 'NO', text: SHORT });
    expect(await s.metric('lease_rejections_total', { reason: 'pressure' })).toBe(1);
    expect(await s.metric('upstream_connects_total'), 'attempts').toBe(connects);

    await expectToWaitForOwn(s, 'alice');
    expect(await s.metric('lease_rejections_total', { reason: 'pressure' })).toBe(1);
    expect(await s.metric('upstream_connections_opened_total')).toBe(2);

    for (const socket of outsiders.splice(0)) socket.destroy();
    await s.proxy.until(async () => (await s.metric('port_pressure')) === 0, 'no pressure', 20_000);
    expect(s.logged('ports towards the upstream are plenty again')).toBe(1);
    expect((await s.lease('user0')).connection.user).toBe('user0');
  });

  it('opens no second connection for anybody from 60 % on, and none at all from 80 % on', async () => {
    const s = await stageWithPorts(20);
    const users = Array.from({ length: 20 }, (_, n) => `user${String(n)}`);
    // Without pressure a second session gets a connection of its own.
    for (let n = 0; n < 2; n++) await s.lease('alice');
    await leaseUntil(s, 11, users);
    expect(await s.metric('port_pressure'), '11 of 20').toBe(0);
    const { client: first, connection } = await s.lease('bob');
    expect(await s.metric('port_pressure'), '12 of 20').toBe(1);

    const second = await s.logIn('bob');
    const tag = await second.begin('NOOP');
    await s.untilWaiting(1);
    await s.lease(users.shift());
    expect(await used(s), 'one for who had none').toBe(13);
    expect(second.unread).toBe('');

    await leaseUntil(s, 16, users);
    expect(await s.metric('port_pressure'), '16 of 20').toBe(2);
    const connects = await s.metric('upstream_connects_total');
    expect(await tryToLogIn(s, 'user20')).toMatchObject({ status: 'NO', text: SHORT });
    expect(second.unread).toBe('');
    await s.leave(first);
    expect(await second.finish(tag)).toMatchObject({ status: 'OK', text: 'NOOP done (bob)' });
    expect(s.upstream.openConnections.filter(({ user }) => user === 'bob')).toEqual([connection]);
    expect(await s.metric('upstream_connects_total'), 'attempts').toBe(connects);
    expect(await s.metric('upstream_connect_failures_total')).toBe(0);
    expect(await used(s)).toBe(16);
  });

  it('tells who waited in vain that ports are short', async () => {
    const s = await stageWithPorts(10, { ACQUIRE_TIMEOUT: '200ms' });
    await s.lease('alice');
    await leaseUntil(s, 6, ['bob', 'user0', 'user1', 'user2', 'user3']);
    const second = await s.logIn('alice');
    expect(await second.command('NOOP')).toMatchObject({ status: 'NO', text: SHORT });
    expect(await s.metric('lease_timeouts_total')).toBe(1);
    expect(await s.metric('lease_rejections_total', { reason: 'pressure' })).toBe(0);
  });
});
