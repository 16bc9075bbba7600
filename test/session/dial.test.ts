// Servers that say too much or the wrong things before the login, over plain text and both kinds of TLS.

import { TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { dial } from '../../src/upstream/dial.js';
import type { DialedSocket } from '../../src/upstream/dial.js';
import { makeCertificate } from '../support/certificates.js';
import type { Certificate } from '../support/certificates.js';
import { startScriptedUpstream } from '../support/scripted-upstream.js';
import type { ScriptedUpstream, UpstreamConnection } from '../support/scripted-upstream.js';

let certificate: Certificate;
beforeAll(async () => {
  certificate = await makeCertificate();
});

let upstream: ScriptedUpstream | undefined;
afterEach(async () => {
  await upstream?.waitForOpenConnections(0);
  await upstream?.close();
  upstream = undefined;
});

type Tls = 'off' | 'starttls' | 'implicit';

async function start(tls: Tls): Promise<ScriptedUpstream> {
  upstream = await startScriptedUpstream({
    tls,
    certificate,
    capabilitiesBeforeLogin: ['IMAP4rev1', ...(tls === 'starttls' ? ['STARTTLS'] : [])],
  });
  return upstream;
}

function dialTo({ host, port }: ScriptedUpstream, tls: Tls, timeoutMs = 5_000): Promise<DialedSocket> {
  const tlsFiles = { ca: Buffer.from(certificate.ca) };
  return dial({ host, port, tls, tlsVerify: true, tlsFiles, timeoutMs });
}

const ofBytes = (count: number): string => 'x'.repeat(count);
const MEGABYTE = 1024 * 1024;
const tooMuch: [name: string, words: string][] = [
  ['a line without end', `* OK ${ofBytes(8 * MEGABYTE)}`],
  ['a line that is too long', `* OK ${ofBytes(300_000)}\r\n`],
  ['a literal that is too long', `* X {2000000000}\r\n${ofBytes(8 * MEGABYTE)}`],
  ['literals without end', `* X {10}\r\n${`${ofBytes(10)} {10}\r\n`.repeat(100_000)}`],
  ['lines without end', '* X and on, and on\r\n'.repeat(200_000)],
];
const ways: Tls[] = ['off', 'starttls', 'implicit'];

function expectTooMuch(dialed: Promise<DialedSocket>): Promise<void> {
  return expect(dialed).rejects.toMatchObject({
    code: 'greeting',
    message: expect.stringMatching(
      /^the upstream (?:sends|announces) more than 256 kB before the login$/,
    ) as string,
  });
}

describe.each(tooMuch)('a server that sends %s', (_name, words) => {
  it.each(ways)('instead of its capabilities is given up, with TLS %s', async (tls) => {
    const server = await start(tls);
    const flood = (_command: unknown, connection: UpstreamConnection): string | undefined => {
      // Over STARTTLS the first answer must be right, or there is no TLS at all.
      if (tls === 'starttls' && !(connection.socket instanceof TLSSocket)) return 'default';
      connection.send(words);
      return undefined;
    };
    server.on('CAPABILITY', flood);
    server.script.greeting = '* OK hello';
    await expectTooMuch(dialTo(server, tls));
  });

  it('instead of its greeting is given up', async () => {
    const server = await start('off');
    server.script.greeting = (connection) => {
      connection.send(words);
      return undefined;
    };
    await expectTooMuch(dialTo(server, 'off'));
  });
});

it('takes long capabilities and a long name as they are', async () => {
  const server = await start('off');
  server.script.capabilitiesBeforeLogin = ['IMAP4rev1', `X-${ofBytes(100_000)}`];
  const { socket, capabilities } = await dialTo(server, 'off');
  expect(capabilities.has('IMAP4REV1')).toBe(true);
  socket.destroy();
});

describe('a time-out', () => {
  it.each([
    ['silence', null, undefined],
    ['garbage', '\0\xff HTTP/1.1 400 {5}', 'what the upstream sends is no IMAP greeting'],
    ['another protocol', '220 mail.example.org ESMTP', 'what the upstream sends is no IMAP greeting'],
    ['a greeting and no more', '* OK hello', 'the upstream greets, and then does not answer'],
  ])('behind %s says so', async (_name, greeting, words) => {
    const server = await start('off');
    server.script.greeting = greeting;
    server.on('CAPABILITY', () => undefined);
    const error: unknown = await dialTo(server, 'off', 300).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: 'timeout' });
    if (words !== undefined) expect(error).toMatchObject({ message: words });
  });

  it('behind a greeting that comes in drips says so', async () => {
    const server = await start('off');
    server.script.greeting = (connection) => {
      connection.send('* OK hel');
      return undefined;
    };
    await expect(dialTo(server, 'off', 300)).rejects.toMatchObject({
      code: 'timeout',
      message: 'what the upstream sends is no IMAP greeting',
    });
  });
});
