// Servers that quote the command which they refuse: the password in it must not reach the log, or anybody else.

import { describe, expect, it } from 'vitest';
import { converse, leave } from '../../src/doctor/conversation.js';
import { wipeCredentials } from '../../src/identity.js';
import type { Credentials } from '../../src/identity.js';
import { logIn } from '../../src/upstream/login.js';
import { diagnose } from '../support/doctor.js';
import type { ParsedCommand, UpstreamConnection } from '../support/scripted-upstream.js';
import { startScriptedUpstream } from '../support/scripted-upstream.js';
import { useStages } from './stage.js';

const stage = useStages();
const password = 'hunter2';

/** In every form that the proxy sends it in. */
const forms = [
  password,
  Buffer.from(password).toString('base64'),
  Buffer.from(`\0joe\0${password}`).toString('base64'),
];

function expectNoPassword(text: string): void {
  for (const form of forms) expect(text).not.toContain(form);
}

const quoteOf = (command: ParsedCommand): string => `cannot: ${command.raw.toString('latin1').trimEnd()}`;

const refusals: [name: string, refuse: (command: ParsedCommand, connection: UpstreamConnection) => void][] = [
  ['NO', (command, connection) => connection.no(command, quoteOf(command))],
  ['NO with a code', (command, connection) => connection.no(command, `[X ${quoteOf(command)}] no`)],
  ['BAD', (command, connection) => connection.bad(command, quoteOf(command))],
  ['BYE', (command, connection) => connection.end(`* BYE ${quoteOf(command)}\r\n`)],
];
const ways: [verb: string, capabilities: string][] = [
  ['LOGIN', 'IMAP4rev1'],
  ['AUTHENTICATE', 'IMAP4rev1 AUTH=PLAIN SASL-IR'],
];
const cases = ways.flatMap(([verb, capabilities]) =>
  refusals.map(([name, refuse]) => ({ verb, capabilities: capabilities.split(' '), name, refuse })),
);

describe('a server that quotes the refused command', () => {
  it.each(cases)(
    'by $name to $verb puts no password into the log',
    async ({ verb, capabilities, refuse }) => {
      const s = await stage({ upstream: { capabilitiesBeforeLogin: capabilities } });
      s.upstream.on(verb, refuse);
      const client = await s.connect();
      const first = await client.command(`LOGIN joe ${password}`);
      // The second answer may come from memory.
      const second = await client.command(`LOGIN joe ${password}`);
      expect([first.status, second.status]).toEqual(['NO', 'NO']);
      expectNoPassword(first.text + second.text);
      const log = s.proxy.logText();
      expect(log).toMatch(/\(hidden\)|says NO: no/);
      expectNoPassword(log);
    },
  );

  it.each(cases)(
    'by $name to $verb puts none into the report of --check',
    async ({ verb, capabilities, refuse }) => {
      const upstream = await startScriptedUpstream({ capabilitiesBeforeLogin: capabilities });
      upstream.on(verb, refuse);
      const { code, lines } = await diagnose(upstream, {
        args: ['--user', 'joe', '--password-stdin'],
        password,
      });
      expect(code).toBe(1);
      expect(lines.join('\n')).toMatch(/\(hidden\)|says NO: no/);
      expectNoPassword(lines.join('\n'));
      await upstream.close();
    },
  );
});

it('hides it still when the session has overwritten its own copy before the refusal', async () => {
  const upstream = await startScriptedUpstream({ capabilitiesBeforeLogin: ['IMAP4rev1'] });
  const credentials: Credentials = {
    kind: 'password',
    authenticationId: Buffer.from('joe'),
    authorizationId: Buffer.alloc(0),
    secret: Buffer.from(password),
  };
  upstream.on('LOGIN', (command, connection) => {
    wipeCredentials(credentials);
    connection.no(command, quoteOf(command));
  });
  const { host, port } = upstream;
  const options = { host, port, tls: 'off', tlsVerify: true, tlsFiles: {}, timeoutMs: 5_000 } as const;
  const conversation = await converse(options, (fault) => {
    throw fault;
  });
  const login = logIn(conversation.connection, credentials, conversation.capabilities, 5_000);
  await expect(login).rejects.toMatchObject({
    code: 'credentials',
    message: expect.stringMatching(/^the upstream says NO: cannot: \S+ LOGIN "joe" "\(hidden\)"$/) as string,
  });
  await leave(conversation);
  await upstream.close();
});
