// Python's imaplib, as scripts and cron jobs use it: what each call returns is the same directly and through the proxy.

import { expect, it } from 'vitest';
import { type Route, expectSame, runRoutes, withoutChance } from '../../support/client-routes.js';
import { describeWithClient } from '../../support/describe-with-client.js';
import { runProgram } from '../../support/run-program.js';
import { plainly } from '../../support/stage.js';
import { useClientStage } from '../../support/use-client-stage.js';

const python = { command: 'python3', versionFlag: '--version', debianPackage: 'python3' };

/** Each call, with what it returned or threw, on a line of its own. */
const preamble = `
import imaplib, sys
user, port = sys.argv[1], int(sys.argv[2])
imap = None

def say(name, *args, on=None):
    try:
        result = getattr(on or imap, name)(*args)
    except (imaplib.IMAP4.error, AttributeError) as error:
        result = '%s: %s' % (type(error).__name__, error)
    print(name, args[:1], result)
    return result

def message(n):
    return ('Subject: imaplib %d\\r\\n\\r\\nmark-of-%s body %d\\r\\n' % (n, user, n)).encode()
`;

const session = `${preamble}
imap = imaplib.IMAP4('127.0.0.1', port, timeout=15)
print(imap.state, imap.PROTOCOL_VERSION)
say('login', user, 'secret')
print(sorted(word for word in imap.capability()[1][0].decode().split()
      if not word.startswith(('AUTH=', 'STARTTLS', 'LOGIN', 'SASL-IR'))))
say('noop')
say('namespace')
say('list')
say('lsub')
say('getquotaroot', 'INBOX')
say('create', 'Work')
say('create', '"two words"')
say('subscribe', 'Work')
say('list', '""', 'W*')
say('append', 'Work', None, None, message(1))
say('append', 'Work', '(\\\\Seen \\\\Flagged)', imaplib.Time2Internaldate(1e9), message(2))
say('append', 'Missing', None, None, message(3))
say('noop')
say('status', 'Work', '(MESSAGES UNSEEN UIDNEXT)')
say('select', 'Missing')
say('select', 'INBOX')
say('response', 'UIDNEXT')
say('check')
say('search', None, 'ALL')
say('search', 'UTF-8', 'SUBJECT', '"mail 2"')
imap.literal = 'body 3'.encode()
say('uid', 'SEARCH', 'CHARSET', 'UTF-8', 'BODY')
say('sort', '(REVERSE SUBJECT)', 'UTF-8', 'ALL')
say('thread', 'REFERENCES', 'UTF-8', 'ALL')
say('fetch', '1:*', '(UID FLAGS RFC822.SIZE)')
say('fetch', '2', '(BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[TEXT])')
say('partial', '1', 'RFC822', '1', '10')
say('fetch', '1', '(NONSENSE)')
say('uid', 'FETCH', '3', '(RFC822)')
say('store', '1', '+FLAGS', '(\\\\Answered keyword)')
say('uid', 'STORE', '2', '+FLAGS.SILENT', '(\\\\Deleted)')
say('copy', '1:2', 'Work')
say('copy', '1', 'Missing')
say('uid', 'COPY', '3', '"two words"')
say('expunge')
say('uid', 'MOVE', '3', 'Work')
say('uid', 'NONSENSE')
say('xatom', 'IDLE-LIKE')
say('recent')
say('select', 'Work', True)
say('store', '1', '+FLAGS', '(\\\\Deleted)')
say('fetch', '1:*', '(FLAGS INTERNALDATE)')
say('close')
say('unselect')
say('rename', 'two words', 'Elsewhere')
say('rename', '"two words"', 'Elsewhere')
say('delete', 'Missing')
say('unsubscribe', 'Work')
say('list')
say('logout')
`;

const enabling = `${preamble}
with imaplib.IMAP4('127.0.0.1', port, timeout=15) as imap:
    say('login', user, 'secret')
    say('enable', 'CONDSTORE')
    say('select')
`;

/** What cron jobs do, five times. */
const jobs = `${preamble}
for n in range(5):
    with imaplib.IMAP4('127.0.0.1', port, timeout=15) as imap:
        say('login', user, 'secret')
        say('select')
        say('uid', 'SEARCH', 'UNSEEN')
        say('uid', 'FETCH', '1:*', '(FLAGS BODY.PEEK[])')
        say('append', 'INBOX', None, None, message(n))
try:
    imaplib.IMAP4('127.0.0.1', port, timeout=15).login(user, 'wrong')
except imaplib.IMAP4.error as error:
    print('refused', error)
`;

describeWithClient("Python's imaplib", [python], () => {
  const clients = useClientStage();

  async function run(script: string, { user, port }: Route): Promise<string[]> {
    const home = await clients.makeFolder();
    const { code, stdout, stderr } = await runProgram('python3', ['-', user, String(port)], {
      home,
      input: script,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return normalised(stdout, user);
  }

  it('gets the same from every call of a long session', async () => {
    const { stage, dovecot } = clients;
    const proxy = await stage.proxy(plainly(dovecot));
    const runs = await runRoutes({ dovecot, proxy, stage, users: clients.nextUsers() }, (route) =>
      run(session, route),
    );
    expectSame(runs);
    expect(runs.direct.result).toContain("logout () ('BYE', [b'Logging out'])");
    // It was answered BAD, and then nobody can know how the server has read the line.
    expect(runs.cold).toMatchObject({ logins: 1, dirty: 1 });
    expect(runs.warm).toMatchObject({ logins: 0, dirty: 1 });
  });

  it('runs as five short jobs on one upstream connection', async () => {
    const { stage, dovecot } = clients;
    const proxy = await stage.proxy(plainly(dovecot));
    const runs = await runRoutes({ dovecot, proxy, stage, users: clients.nextUsers() }, (route) =>
      run(jobs, route),
    );
    expectSame(runs);
    expect(runs.direct.sessions).toBe(6);
    expect(runs.cold).toMatchObject({ logins: 1, dirty: 0 });
    expect(runs.warm).toMatchObject({ logins: 0, dirty: 0 });
  });

  it('has no ENABLE through the proxy: it looks for that before the login alone', async () => {
    const { stage, dovecot } = clients;
    const proxy = await stage.proxy(plainly(dovecot));
    const runs = await runRoutes({ dovecot, proxy, stage, users: clients.nextUsers() }, (route) =>
      run(enabling, route),
    );
    expect(runs.direct.result).toContain("enable ('CONDSTORE',) ('OK', [b'Enabled.'])");
    for (const { result, dirty } of [runs.cold, runs.warm]) {
      expect(result).toContain("enable ('CONDSTORE',) error: Server does not support ENABLE");
      expect(dirty).toBe(0);
    }
  });
});

function normalised(output: string, user: string): string[] {
  return (
    withoutChance(output, user)
      // The proxy always tells at login what Dovecot tells there only to those who have not asked before.
      .replaceAll(/\[CAPABILITY [^\]]*\] Logged in/g, 'Logged in')
      .replaceAll(/INTERNALDATE "[^"]*20[2-9]\d [^"]*"/g, 'INTERNALDATE now')
      .split('\n')
  );
}
