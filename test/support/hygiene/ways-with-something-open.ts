// Ways of leaving in the middle of something: commands that run, answers unread, literals and lines that are not whole.

import { expectOk, lease, logIn, select, withoutLogout } from './scene.js';
import type { Scene, Way } from './scene.js';

/** Leased, and then bytes that begin something and don't end it. */
function within(name: string, bytes: string, fate: Way['fate'] = 'retired'): Way {
  return {
    name: `in ${name}`,
    run: async (scene) => {
      await lease(scene);
      await scene.client.send(bytes);
    },
    exits: withoutLogout,
    fate,
  };
}

/** A synchronizing literal that the server waits for. */
function granted(name: string, line: string, half: string): Way {
  return {
    name: `in ${name}`,
    run: async (scene) => {
      await select(scene);
      await scene.client.send(line);
      await scene.client.expectContinuation();
      await scene.client.send(half);
    },
    exits: withoutLogout,
    fate: 'retired',
  };
}

/** Complete commands, sent and not waited for. */
function unanswered(name: string, text: string, start: (scene: Scene) => Promise<void> = select): Way {
  return {
    name: `with ${name}`,
    run: async (scene) => {
      await start(scene);
      await scene.client.send(text);
    },
    fate: 'reused',
  };
}

async function idle(scene: Scene): Promise<void> {
  await select(scene);
  await scene.client.send('i IDLE\r\n');
  await scene.client.expectContinuation();
}

const many = (count: number, text: string): string =>
  Array.from({ length: count }, (_, n) => `m${n} ${text}\r\n`).join('');

/** What a server that takes no literal after this verb would run. */
const hidden = 'h SELECT Way\r\nh STORE 1:* FLAGS ()\r\n';

export const waysWithSomethingOpen: readonly Way[] = [
  within('a command line', 'a FETCH 1 (BODY.PEEK[', 'reused'),
  within('a line that is longer than what is kept of it', `a SEARCH TEXT "${'DELETE INBOX '.repeat(40)}`),
  within('the marker of a literal', 'a APPEND Way {30', 'reused'),
  within('an APPEND that was announced', 'a APPEND Way {3000}\r\n'),
  granted('an APPEND that was allowed', 'a APPEND Way {3000}\r\n', ''),
  granted('a sync literal', 'a APPEND Way {3000}\r\n', 'Subject: half\r\n\r\nx LOGOUT\r\n'),
  granted('a sync literal of SEARCH', 'a SEARCH SUBJECT {300}\r\n', 'half'),
  granted('the line behind a sync literal', 'a SEARCH SUBJECT {4}\r\n', 'half'),
  within('a non-sync literal', 'a APPEND Way {3000+}\r\nSubject: half\r\n\r\nx LOGOUT\r\n'),
  within('a non-sync literal of SEARCH', 'a SEARCH SUBJECT {300+}\r\nhalf'),
  within('the line behind a non-sync literal', 'a APPEND Way {21+}\r\nSubject: way\r\n\r\nwhole'),
  within('a MULTIAPPEND', 'a APPEND Way {21+}\r\nSubject: way\r\n\r\nwhole {300+}\r\nSubject: half\r\n'),
  unanswered('SELECT unanswered', 'a SELECT Way\r\n'),
  unanswered('a SELECT unanswered that will fail', 'a SELECT Missing\r\n'),
  unanswered('a large FETCH unanswered', 'a SELECT Large\r\nb FETCH 1 BODY.PEEK[]\r\n'),
  {
    name: 'in the answer to a large FETCH',
    run: async (scene) => {
      await select(scene, 'Large');
      await scene.client.send('a FETCH 1 BODY.PEEK[]\r\n');
      await scene.client.waitFor(/\* 1 FETCH \(BODY\[\] \{\d+\}\r\n/);
    },
    fate: 'reused',
  },
  {
    name: 'as a slow reader with full buffers and more commands behind',
    run: async (scene) => {
      await select(scene, 'Large');
      await scene.client.send(`a FETCH 1 BODY.PEEK[]\r\n${many(20, 'FETCH 1 BODY.PEEK[]<0.100000>')}`);
      await scene.client.waitFor(/\* 1 FETCH \(BODY\[\] \{\d+\}\r\n/);
      scene.client.pause();
    },
    fate: 'reused',
  },
  unanswered('300 FETCHes pipelined', many(300, 'FETCH 1:* (FLAGS BODY.PEEK[])')),
  unanswered(
    'commands pipelined under one tag',
    'a NOOP\r\na STATUS INBOX (MESSAGES)\r\na LIST "" "*"\r\na NOOP\r\n',
  ),
  unanswered(
    'a pipeline with local answers in it',
    'a NOOP\r\nb CAPABILITY\r\nc LSUB "" "*"\r\nd ID NIL\r\n',
    logIn,
  ),
  {
    name: 'with everything pipelined behind LOGIN',
    run: ({ client, user }) =>
      client.send(`a LOGIN ${user} secret\r\nb SELECT Large\r\nc FETCH 1 BODY.PEEK[]\r\nd UNSELECT\r\n`),
    fate: 'reused',
  },
  unanswered(
    'STORE .SILENT unanswered',
    'a STORE 1:* +FLAGS.SILENT (\\Answered)\r\nb STORE 1:* -FLAGS.SILENT (\\Answered)\r\n',
  ),
  unanswered('COPY unanswered', 'a SELECT Many\r\nb COPY 1:* Copies\r\n'),
  unanswered('a SEARCH through all bodies unanswered', 'a SELECT Many\r\nb SEARCH BODY nothing\r\n'),
  unanswered('SEARCH RETURN (SAVE) unanswered', 'a SEARCH RETURN (SAVE) ALL\r\n'),
  unanswered('an APPEND unanswered', 'a APPEND Way {21+}\r\nSubject: way\r\n\r\nwhole\r\n'),
  {
    ...unanswered(
      'a large APPEND unanswered',
      `a APPEND Way {1000000+}\r\nSubject: way\r\n\r\n${'x'.repeat(999_984)}\r\n`,
    ),
    // RST takes away what the proxy has not read yet: it may cut the literal.
    exits: ['LOGOUT', 'FIN', 'half-close'],
  },
  unanswered(
    'EXPUNGE and CLOSE unanswered',
    'a SELECT Way\r\nb STORE 1 +FLAGS (\\Deleted)\r\nc EXPUNGE\r\nd CLOSE\r\n',
  ),
  {
    name: 'with an EXPUNGE of somebody else pending',
    run: async (scene) => {
      const other = await scene.direct();
      await other.send('a APPEND Way {7+}\r\na: b\r\n\r\r\n');
      await other.finish('a');
      await select(scene, 'Way');
      await expectOk(other, 'SELECT Way', 'STORE * +FLAGS (\\Deleted)', 'EXPUNGE', 'LOGOUT');
    },
    fate: 'reused',
  },
  { ...unanswered('IDLE unanswered', 'i IDLE\r\n'), beforeLogout: 'DONE\r\n' },
  { ...unanswered('IDLE unanswered and nothing selected', 'i IDLE\r\n', lease), beforeLogout: 'DONE\r\n' },
  { name: 'in IDLE', run: idle, beforeLogout: 'DONE\r\n', fate: 'reused' },
  {
    name: 'in IDLE with DONE cut',
    run: async (scene) => {
      await idle(scene);
      await scene.client.send('DON');
    },
    beforeLogout: 'E\r\n',
    fate: 'reused',
  },
  {
    name: 'in IDLE with DONE unanswered',
    run: async (scene) => {
      await idle(scene);
      await scene.client.send('DONE\r\n');
    },
    fate: 'reused',
  },
  {
    name: 'in IDLE with news that came in it',
    run: async (scene) => {
      await select(scene, 'Way');
      await scene.client.send('i IDLE\r\n');
      await scene.client.expectContinuation();
      const other = await scene.direct();
      await other.send('a APPEND Way {7+}\r\na: b\r\n\r\r\n');
      await other.finish('a');
      await expectOk(other, 'LOGOUT');
      await scene.client.waitFor(/\* \d+ EXISTS\r\n/);
    },
    beforeLogout: 'DONE\r\n',
    fate: 'reused',
  },
  {
    name: 'after commands that were hidden in a literal of NOOP',
    run: async (scene) => {
      await lease(scene);
      await scene.client.send(`a NOOP {${hidden.length}+}\r\n${hidden}\r\n`);
      await scene.client.waitFor(/a BAD .*\r\n/);
    },
    fate: 'reused',
  },
  {
    name: 'after commands that were hidden in a literal of an unknown command',
    run: async (scene) => {
      await lease(scene);
      await scene.client.send(`a NONSENSE {${hidden.length}+}\r\n${hidden}\r\n`);
      await scene.client.waitFor(/a BAD .*\r\n/);
    },
    fate: 'reused',
  },
  {
    name: 'after commands that were hidden behind an error',
    run: async (scene) => {
      await select(scene);
      await scene.client.send(`a SEARCH SUBJECT " {${hidden.length}+}\r\n${hidden}\r\n`);
      await scene.client.waitFor(/a BAD .*\r\n/);
    },
    // The hidden commands get answers, too, and so the proxy ends the session.
    exits: withoutLogout,
    fate: 'retired',
  },
  within('a forged literal of NOOP', 'a NOOP {3000+}\r\nb SELECT INBOX\r\nc LOGOUT\r\n', 'reused'),
  {
    name: 'after a bare line feed',
    run: async (scene) => {
      await lease(scene);
      await scene.client.send('a NOOP\n');
      await scene.client.finish('a');
    },
    fate: 'retired',
  },
  {
    name: 'after an APPEND was refused whose non-sync literal follows',
    run: async (scene) => {
      await lease(scene);
      await scene.client.send(`a APPEND Missing {${hidden.length}+}\r\n${hidden}\r\n`);
      await scene.client.waitFor(/a NO .*\r\n/);
    },
    fate: 'reused',
  },
];
