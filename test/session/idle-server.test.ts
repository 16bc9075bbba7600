// IDLE at a server that doesn't do the expected: news before the continuation, a second one, an end of its own, BYE.

import { describe, expect, it } from 'vitest';
import { makeGate } from '../support/gate.js';
import type { Hook } from '../support/scripted-upstream.js';
import { beginIdle, expectKept, expectRetired, useIdleScenes } from './idle-scene.js';
import type { Scene } from './idle-scene.js';

const scene = useIdleScenes();

describe('a server that', () => {
  it('has news before its continuation passes both on', async () => {
    const all = await scene();
    const { s, client } = all;
    const news = '* 4 EXISTS\r\n* OK [ALERT] {10}\r\n* 1 FETCH (BODY[] {4}\r\n+ x\r)\r\n';
    s.upstream.once('IDLE', (_command, connection) => {
      connection.send(news);
      return 'default';
    });
    await client.send('a IDLE\r\n');
    expect(await client.waitFor(/\+ idling\r\n/)).toBe('+ idling\r\n');
    expect(client.received.toString('latin1').endsWith(`${news}+ idling\r\n`)).toBe(true);
    await client.send('DONE\r\n');
    expect((await client.finish('a')).status).toBe('OK');
    await s.leave(client);
    await expectKept(all);
  });

  it.each(['+', '+ ', '+ {10}', '+ [ALERT] idling'])('continues by %j only', async (text) => {
    const all = await scene();
    const { s, client } = all;
    s.upstream.once('IDLE', async (command, connection) => {
      connection.send(`${text}\r\n`);
      expect(await connection.readLine()).toBe('DONE');
      connection.ok(command);
    });
    await client.send('a IDLE\r\n');
    expect(await client.readLine()).toBe(text);
    await client.send('DONE\r\n');
    expect((await client.finish('a')).status).toBe('OK');
    await s.leave(client);
    await expectKept(all);
  });

  it('continues twice is not trusted any more', async () => {
    const all = await scene();
    const { client, connection } = all;
    await beginIdle(client);
    connection.send('+ idling still\r\n');
    expect((await client.waitForClose()).unread).toMatch(
      /^\+ idling still\r\n\* BYE \[UNAVAILABLE\] .*\r\n$/,
    );
    await expectRetired(all);
  });

  const ended: Hook = (command, connection) => {
    connection.send('+ idling\r\n* 3 EXISTS\r\n');
    connection.ok(command, 'enough');
  };

  it('ends it by itself makes the client’s DONE a bad command, which it never sees', async () => {
    const all = await scene();
    const { s, client, connection } = all;
    s.upstream.once('IDLE', ended);
    await client.send('a IDLE\r\n');
    await client.finish('a');
    const bytes = connection.received.length;
    await client.send('DONE\r\nb NOOP\r\n');
    expect(await client.readLine()).toMatch(/^DONE BAD /);
    expect((await client.finish('b')).text).toBe('NOOP done (alice)');
    expect(connection.received.subarray(bytes).toString()).toBe('b NOOP\r\n');
    await s.leave(client);
    await expectKept(all);
  });

  /** The server reads DONE as a command: what it says to that is passed on, or ends the session. */
  async function cross(answer: string): Promise<Scene> {
    const all = await scene();
    const { s, client, connection } = all;
    const gate = makeGate();
    s.upstream.once('IDLE', async (command, at) => {
      at.send('+ idling\r\n');
      await gate.opened;
      at.ok(command, 'enough');
    });
    s.upstream.on('', (_command, at) => {
      at.send(`${answer}\r\n`);
    });
    await client.send('a IDLE\r\n');
    await client.expectContinuation();
    await client.send('DONE\r\nb NOOP\r\n');
    await connection.waitUntil(() => connection.received.toString('latin1').endsWith('b NOOP\r\n'));
    gate.open();
    expect((await client.finish('a')).text).toContain('enough');
    return all;
  }

  it('ends it while DONE is on the way, and says an untagged BAD to that, loses nothing', async () => {
    const all = await cross('* BAD what?');
    const { s, client } = all;
    expect(await client.readLine()).toBe('* BAD what?');
    expect((await client.finish('b')).text).toBe('NOOP done (alice)');
    await s.leave(client);
    await expectKept(all);
  });

  it('ends it while DONE is on the way, and answers DONE as a tag, is not trusted any more', async () => {
    const all = await cross('DONE BAD what?');
    expect((await all.client.waitForClose()).unread).toMatch(/^\* BYE \[UNAVAILABLE\] .*\r\n$/);
    await expectRetired(all);
  });

  it.each([
    ['and hangs up', true],
    ['and stays', false],
  ])('says BYE in it %s: the client gets that, and the connection goes', async (_name, hangsUp) => {
    const all = await scene();
    const { s, client, connection } = all;
    await beginIdle(client);
    connection.send('* BYE Server shutting down\r\n');
    if (hangsUp) connection.end();
    expect(await client.readLine()).toBe('* BYE Server shutting down');
    if (hangsUp) expect((await client.waitForClose()).unread).toBe('');
    else client.destroy();
    await s.untilSessions(1);
    await expectRetired(all);
    expect(await s.closedFor('bye')).toBe(1);
  });
});
