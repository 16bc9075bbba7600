// Ways of leaving before login, and right after it: the warm connection of the user is none of such a client's business.

import { expectOk, expectStatus, logIn, withoutLogout } from './scene.js';
import type { Way } from './scene.js';

export const waysBeforeLogin: readonly Way[] = [
  { name: 'before it said anything', run: async () => undefined, fate: 'untouched' },
  {
    name: 'after CAPABILITY, ID and NOOP',
    run: ({ client }) => expectOk(client, 'CAPABILITY', 'ID ("name" "hygiene")', 'NOOP'),
    fate: 'untouched',
  },
  {
    name: 'with commands that need a login',
    run: ({ client }) => expectStatus(client, 'BAD', 'SELECT INBOX', 'IDLE', 'FETCH 1 FLAGS'),
    fate: 'untouched',
  },
  {
    name: 'after STARTTLS was refused',
    run: ({ client }) => expectStatus(client, 'BAD', 'STARTTLS'),
    fate: 'untouched',
  },
  {
    name: 'in the line of LOGIN',
    run: ({ client, user }) => client.send(`a LOGIN ${user} "sec`),
    exits: withoutLogout,
    fate: 'untouched',
  },
  {
    name: 'in the first literal of LOGIN',
    run: async ({ client }) => {
      await client.send('a LOGIN {5}\r\n');
      await client.expectContinuation();
      await client.send('ali');
    },
    exits: withoutLogout,
    fate: 'untouched',
  },
  {
    name: 'in a non-sync literal of LOGIN',
    run: ({ client, user }) => client.send(`a LOGIN ${user} {6+}\r\nsec`),
    exits: withoutLogout,
    fate: 'untouched',
  },
  {
    name: 'in AUTHENTICATE',
    run: async ({ client }) => {
      await client.send('a AUTHENTICATE PLAIN\r\n');
      await client.expectContinuation();
    },
    exits: withoutLogout,
    fate: 'untouched',
  },
  {
    name: 'after AUTHENTICATE was cancelled',
    run: async ({ client }) => {
      await client.send('a AUTHENTICATE PLAIN\r\n');
      await client.expectContinuation();
      await client.send('*\r\n');
      await client.waitFor(/a BAD .*\r\n/);
    },
    fate: 'untouched',
  },
  {
    name: 'with LOGIN unanswered',
    run: ({ client, user }) => client.send(`a LOGIN ${user} secret\r\n`),
    fate: 'untouched',
  },
  { name: 'after LOGIN', run: logIn, fate: 'untouched' },
  {
    name: 'after LOGIN with literals',
    run: async ({ client, user }) => {
      await client.send(`a LOGIN {${user.length}}\r\n`);
      await client.expectContinuation();
      await client.send(`${user} {6+}\r\nsecret\r\n`);
      await client.waitFor(/a OK .*\r\n/);
    },
    fate: 'untouched',
  },
  {
    name: 'after commands that the proxy answers itself',
    run: async (scene) => {
      await logIn(scene);
      await expectOk(scene.client, 'CAPABILITY', 'ID NIL');
    },
    fate: 'untouched',
  },
  {
    name: 'after STARTTLS, COMPRESS, LOGIN, AUTHENTICATE and UNAUTHENTICATE were refused, without a lease',
    run: async (scene) => {
      await logIn(scene);
      const texts = ['STARTTLS', 'COMPRESS DEFLATE', 'LOGIN bob secret', 'UNAUTHENTICATE'];
      await expectStatus(scene.client, 'BAD', ...texts);
    },
    fate: 'untouched',
  },
  {
    name: 'with half a command line behind LOGIN',
    run: async (scene) => {
      await logIn(scene);
      await scene.client.send('a DELETE INB');
    },
    exits: withoutLogout,
    fate: 'untouched',
  },
];
