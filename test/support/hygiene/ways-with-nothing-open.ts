// Ways of leaving with every command answered: what is selected, saved or enabled is all that stays behind.

import { literal } from '../literal.js';
import { expectOk, expectStatus, lease, logIn, select } from './scene.js';
import type { Scene, Way } from './scene.js';

/** A way that is nothing but commands that get OK. */
function after(name: string, fate: Way['fate'], ...texts: string[]): Way {
  return {
    name: `after ${name}`,
    run: async (scene) => {
      await logIn(scene);
      await expectOk(scene.client, ...texts);
    },
    fate,
  };
}

/** A way that is commands that get BAD. */
function refused(
  name: string,
  fate: Way['fate'],
  first: (scene: Scene) => Promise<void>,
  ...texts: string[]
): Way {
  return {
    name,
    run: async (scene) => {
      await first(scene);
      await expectStatus(scene.client, 'BAD', ...texts);
    },
    fate,
  };
}

const mail = 'Subject: way\r\n\r\nof leaving\r\n';

export const waysWithNothingOpen: readonly Way[] = [
  after('NOOP', 'reused', 'NOOP'),
  after('SELECT', 'reused', 'SELECT INBOX'),
  after('EXAMINE', 'reused', 'EXAMINE INBOX'),
  after('SELECT of one mailbox after the other', 'reused', 'SELECT INBOX', 'EXAMINE Way', 'SELECT INBOX'),
  after('CLOSE', 'reused', 'SELECT Way', 'CLOSE'),
  after('UNSELECT', 'reused', 'EXAMINE INBOX', 'UNSELECT'),
  {
    name: 'after a SELECT that failed',
    run: async (scene) => {
      await select(scene);
      await expectStatus(scene.client, 'NO', 'SELECT Missing');
    },
    fate: 'reused',
  },
  after('SEARCH RETURN (SAVE)', 'reused', 'SELECT INBOX', 'SEARCH RETURN (SAVE) ALL', 'FETCH $ FLAGS'),
  after('SEARCH RETURN (UPDATE), a CONTEXT', 'reused', 'SELECT INBOX', 'SEARCH RETURN (UPDATE COUNT) ALL'),
  after('SORT and THREAD', 'reused', 'SELECT INBOX', 'SORT (DATE) UTF-8 ALL', 'THREAD REFERENCES UTF-8 ALL'),
  after('STORE of flags and keywords', 'reused', 'SELECT INBOX', 'STORE 1 +FLAGS (\\Flagged $Way)'),
  after('COPY', 'reused', 'SELECT INBOX', 'COPY 1 Way'),
  after('MOVE', 'reused', 'SELECT INBOX', 'COPY 1 Way', 'SELECT Way', 'MOVE 1 Copies'),
  after(
    'CREATE, RENAME, SUBSCRIBE and DELETE',
    'reused',
    'CREATE W1',
    'RENAME W1 W2',
    'SUBSCRIBE W2',
    'UNSUBSCRIBE W2',
    'DELETE W2',
  ),
  after('ID', 'untouched', 'ID ("name" "way" "x-originating-ip" "192.0.2.1")'),
  after(
    'NAMESPACE and GETQUOTAROOT-like questions',
    'reused',
    'NAMESPACE',
    'LIST "" "%" RETURN (CHILDREN STATUS (MESSAGES))',
  ),
  {
    name: 'after IDLE',
    run: async (scene) => {
      await select(scene);
      const tag = await scene.client.begin('IDLE');
      await scene.client.expectContinuation();
      await scene.client.send('DONE\r\n');
      await scene.client.finish(tag);
    },
    fate: 'reused',
  },
  {
    name: 'after APPENDs with either literal',
    run: async (scene) => {
      await logIn(scene);
      await scene.client.command(['APPEND Way (\\Seen) ', literal(mail)]);
      await scene.client.command(['APPEND Way ', literal(mail, 'non-sync')]);
    },
    fate: 'reused',
  },
  {
    name: 'after a SEARCH with a non-sync literal',
    run: async (scene) => {
      await select(scene);
      await scene.client.command(['SEARCH SUBJECT ', literal('way', 'non-sync')]);
    },
    fate: 'reused',
  },
  {
    name: 'after an APPEND was refused at its sync literal',
    run: async (scene) => {
      await lease(scene);
      await scene.client.send('a APPEND Missing {10}\r\n');
      await scene.client.waitFor(/a NO .*\r\n/);
    },
    fate: 'reused',
  },
  after('ENABLE CONDSTORE', 'apart', 'ENABLE CONDSTORE', 'SELECT INBOX'),
  after('ENABLE QRESYNC', 'apart', 'ENABLE QRESYNC', 'SELECT INBOX', 'UNSELECT'),
  after('SELECT (CONDSTORE)', 'apart', 'SELECT INBOX (CONDSTORE)'),
  after('STATUS (HIGHESTMODSEQ)', 'apart', 'STATUS INBOX (HIGHESTMODSEQ)'),
  after('ENABLE behind SELECT', 'retired', 'SELECT INBOX', 'ENABLE QRESYNC'),
  after('FETCH MODSEQ', 'retired', 'SELECT INBOX', 'FETCH 1 (MODSEQ)'),
  after('FETCH CHANGEDSINCE', 'retired', 'SELECT INBOX', 'UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1)'),
  after('STORE UNCHANGEDSINCE', 'retired', 'SELECT INBOX', 'STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)'),
  after('SEARCH MODSEQ', 'retired', 'SELECT INBOX', 'SEARCH MODSEQ 1'),
  after('NOTIFY', 'retired', 'NOTIFY SET STATUS (personal (MessageNew MessageExpunge FlagChange))'),
  after('NOTIFY NONE', 'retired', 'NOTIFY NONE'),
  refused('after LANGUAGE', 'retired', lease, 'LANGUAGE de'),
  refused('after COMPARATOR', 'retired', lease, 'COMPARATOR i;octet'),
  refused('after an unknown command', 'retired', lease, 'NONSENSE with "arguments"'),
  refused('after an X command', 'retired', lease, 'XSTATE on'),
  refused('after one BAD', 'retired', lease, 'FETCH 1 FLAGS'),
  refused(
    'after ten BADs in a row',
    'retired',
    select,
    ...Array.from({ length: 10 }, (_, n) => `FETCH ${n} (`),
  ),
  refused(
    'after STARTTLS, COMPRESS, LOGIN and UNAUTHENTICATE were refused in a mailbox',
    'reused',
    select,
    ...['STARTTLS', 'COMPRESS DEFLATE', 'LOGIN bob secret', 'AUTHENTICATE PLAIN', 'UNAUTHENTICATE'],
  ),
];
