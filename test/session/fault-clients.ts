// Clients that leave, or are slow, at every state: one row brings a client into its state, and it may leave in each way.

import { expect } from 'vitest';
import { makeGate } from '../support/gate.js';
import type { RawClient } from '../support/raw-client.js';
import type { FaultScene } from './fault-scene.js';
import { plain } from './stage.js';

const MEGABYTE = 1_048_576;

export interface ClientState {
  readonly name: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** @returns the client that is about to leave */
  reach(scene: FaultScene): Promise<RawClient>;
}

/** Holds this verb's answer back until the fault is over. */
function hold(scene: FaultScene, verb: string): void {
  const gate = makeGate();
  const release = scene.s.upstream.on(verb, async (_command, connection) => {
    if (connection.user !== 'bob') await gate.opened;
    return 'default';
  });
  scene.onHeal(() => {
    release();
    gate.open();
  });
}

/** A session that has sent these bytes. */
const sent = (name: string, bytes: string): ClientState => ({
  name,
  reach: async (scene) => {
    const client = await scene.connect();
    await client.send(bytes);
    return client;
  },
});

/** A session with a mailbox selected that has sent these bytes, which the upstream has got as far as this. */
const selected = (name: string, bytes: string, arrived = bytes): ClientState => ({
  name,
  reach: async (scene) => {
    const { client, connection } = await scene.select();
    await client.send(bytes);
    await connection.waitUntil(() => connection.received.toString('latin1').endsWith(arrived));
    return client;
  },
});

/** A session with a command whose answer is held back. */
const held = (name: string, verb: string, bytes: string): ClientState => ({
  name,
  reach: async (scene) => {
    const { client, connection } = await scene.select();
    hold(scene, verb);
    const nth = connection.verbs.filter((seen) => seen === verb).length + 1;
    await client.send(bytes);
    await connection.waitForCommand(verb, { nth });
    return client;
  },
});

export const clientStates: readonly ClientState[] = [
  sent('greeted', ''),
  sent('inside a line before the login', 'a LOGIN ali'),
  sent('inside a literal of the login', 'a LOGIN {5}\r\nali'),
  sent('inside an AUTHENTICATE', 'a AUTHENTICATE PLAIN\r\n'),
  sent('behind a wrong password', 'a LOGIN alice wrong\r\n'),
  sent('in a hurry', 'a LOGIN alice secret\r\nb SELECT INBOX\r\nc UID FETCH 1:* BODY.PEEK[]\r\n'),
  sent('in a hurry, inside a literal', 'a LOGIN alice secret\r\nb APPEND INBOX {100+}\r\nhalf'),
  {
    name: 'while the credentials are checked',
    reach: async (scene) => {
      hold(scene, 'AUTHENTICATE');
      const attempts = scene.s.count('AUTHENTICATE');
      const client = await scene.connect();
      await client.send(`a AUTHENTICATE PLAIN ${plain('alice', 'secret')}\r\nb NOOP\r\n`);
      await scene.s.proxy.until(() => scene.s.count('AUTHENTICATE') > attempts, 'the login');
      return client;
    },
  },
  {
    name: 'while the server is greeting',
    reach: async (scene) => {
      const gate = makeGate();
      const connections = scene.s.upstream.connections.length;
      scene.script({ greeting: () => gate.opened.then(() => '* OK late') });
      scene.onHeal(() => {
        gate.open();
      });
      const client = await scene.connect();
      await client.send('a LOGIN alice secret\r\n');
      await scene.s.proxy.until(() => scene.s.upstream.connections.length > connections, 'the connection');
      return client;
    },
  },
  { name: 'logged in', reach: (scene) => scene.logIn() },
  {
    name: 'logged in again, with nothing leased',
    reach: async (scene) => {
      await scene.pooled();
      return scene.logIn();
    },
  },
  {
    name: 'while a second connection is opened',
    reach: async (scene) => {
      await scene.select();
      const client = await scene.logIn();
      hold(scene, 'AUTHENTICATE');
      const attempts = scene.s.count('AUTHENTICATE');
      await client.send('a SELECT INBOX\r\n');
      await scene.s.proxy.until(() => scene.s.count('AUTHENTICATE') > attempts, 'the login');
      return client;
    },
  },
  {
    name: 'waiting for a connection',
    environment: { UPSTREAM_MAX_CONNECTIONS_PER_USER: '1' },
    reach: async (scene) => {
      await scene.select();
      const client = await scene.logIn();
      await client.send('a SELECT INBOX\r\nb LOGOUT\r\n');
      await scene.s.untilWaiting(1);
      return client;
    },
  },
  { name: 'selected', reach: async (scene) => (await scene.select()).client },
  selected('inside a line', `a SEARCH TEXT "${'y'.repeat(300)}`, 'yyy'),
  selected('inside a non-sync literal', 'a APPEND INBOX {100+}\r\nhalf'),
  selected('inside a literal behind a command', 'a NOOP\r\nb APPEND INBOX {100+}\r\nhalf'),
  selected('behind a literal, before its line end', 'a APPEND Archive {4+}\r\nmail'),
  {
    name: 'inside a sync literal',
    reach: async (scene) => {
      const { client } = await scene.select();
      await client.send('a APPEND INBOX {100}\r\n');
      await client.expectContinuation();
      await client.send('half');
      return client;
    },
  },
  {
    name: 'before the continuation of a literal',
    reach: async (scene) => {
      const { client, connection } = await scene.select();
      scene.script({ onLiteral: () => 'silent' });
      await client.send('a APPEND INBOX {100}\r\n');
      await connection.waitUntil(() => connection.received.toString('latin1').endsWith('{100}\r\n'));
      return client;
    },
  },
  held('with a command unanswered', 'STATUS', 'a STATUS INBOX (MESSAGES)\r\n'),
  held('with a SELECT unanswered', 'SELECT', 'a SELECT Archive\r\n'),
  held('with an ENABLE unanswered', 'ENABLE', 'a ENABLE CONDSTORE\r\n'),
  held(
    'with a pipeline unanswered',
    'STATUS',
    'a NOOP\r\nb STATUS INBOX (MESSAGES)\r\nc CAPABILITY\r\nd LOGOUT\r\n',
  ),
  held('in IDLE before its continuation', 'IDLE', 'a IDLE\r\n'),
  {
    name: 'in IDLE',
    reach: async (scene) => {
      const { client } = await scene.select();
      await client.begin('IDLE');
      await client.expectContinuation();
      return client;
    },
  },
  {
    name: 'inside a response',
    reach: async (scene) => {
      const { client } = await scene.select();
      const gate = makeGate();
      scene.s.upstream.once('FETCH', async (command, connection) => {
        connection.send('* 1 FETCH (BODY[] {40}\r\nhalf');
        await gate.opened;
        connection.send(`${'z'.repeat(36)})\r\n`);
        connection.ok(command);
      });
      scene.onHeal(() => {
        gate.open();
      });
      await client.send('a FETCH 1 BODY.PEEK[]\r\n');
      await client.waitFor(/half/);
      return client;
    },
  },
  {
    name: 'without having read a message of 30 MB',
    reach: async (scene) => {
      const { client, connection } = await scene.select();
      scene.s.upstream.store.add('alice', 'INBOX', Buffer.alloc(30 * MEGABYTE, 'm'));
      client.pause();
      await client.begin('UID FETCH 4 BODY.PEEK[]');
      await scene.s.proxy.until(() => connection.socket.writableLength > 0, 'the answer on its way');
      return client;
    },
  },
  {
    name: 'in a literal that a slow server does not read',
    reach: async (scene) => {
      const { client, connection } = await scene.select();
      connection.socket.pause();
      await client.send(`a APPEND INBOX {${String(30 * MEGABYTE)}+}\r\n`);
      void client.send(Buffer.alloc(20 * MEGABYTE, 'm')).catch((error: unknown) => {
        // The client leaves before all of it is sent.
        expect(error).toBeInstanceOf(Error);
      });
      // By now the proxy has as much of it as it takes.
      const other = await scene.logIn();
      for (let n = 0; n < 50; n++) expect((await other.command('NOOP')).status).toBe('OK');
      return client;
    },
  },
  {
    name: 'behind its LOGOUT',
    reach: async (scene) => {
      const { client } = await scene.select();
      await client.send('a LOGOUT\r\n');
      return client;
    },
  },
];

export const waysToLeave: readonly (readonly [way: string, leave: (client: RawClient) => void])[] = [
  ['FIN', (client) => client.end()],
  ['RST', (client) => client.reset()],
  ['close', (client) => client.destroy()],
];
