// TLS and PROXY headers by the clients of others: curl and openssl, through the proxy to Dovecot; and what the process does.

import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificate } from '../support/certificates.js';
import { makeTlsFolder } from '../support/client-tls.js';
import type { TlsFolder } from '../support/client-tls.js';
import { describeWithDovecot } from '../support/describe-with-dovecot.js';
import { type Dovecot, seededMail, startDovecot } from '../support/dovecot.js';
import { itWithCurl } from '../support/it-with-curl.js';
import type { TestProxy } from '../support/proxy.js';
import { RawClient } from '../support/raw-client.js';
import { startScriptedUpstream } from '../support/scripted-upstream.js';
import { plainly, useStage } from '../support/stage.js';

const run = promisify(execFile);

let files: TlsFolder;
let caFile: string;
beforeAll(async () => {
  files = await makeTlsFolder();
  caFile = join(files.certFile, '..', 'ca.pem');
  await writeFile(caFile, files.certificate.ca);
});
afterAll(() => files.remove());

describeWithDovecot('clients with TLS, in front of Dovecot', () => {
  const stage = useStage();
  let dovecot: Dovecot;
  beforeAll(async () => {
    dovecot = await startDovecot();
  });
  afterAll(() => dovecot.stop());

  const start = (listen: string): Promise<TestProxy> =>
    stage.proxy(plainly(dovecot), { ...files.environment, LISTEN: listen, PLAINTEXT_NETWORKS: 'none' });

  /** The message with this number in alice's INBOX. */
  async function curl(url: string, ...args: string[]): Promise<string> {
    const options = ['--silent', '--show-error', '--max-time', '10', '--cacert', caFile];
    const { stdout } = await run('curl', [...options, ...args, `${url}/INBOX;MAILINDEX=2`]);
    return stdout;
  }

  itWithCurl('curl reads mail from imaps://, again and again by one connection', async () => {
    const proxy = await start('imaps://127.0.0.1:0');
    const url = `imaps://localhost:${String(proxy.port)}`;
    const before = await dovecot.countLogins('alice');
    for (let n = 0; n < 5; n += 1)
      expect(await curl(url, '--user', 'alice:secret')).toBe(seededMail('alice', 2));
    expect(await curl(url, '--user', 'bob:secret')).toBe(seededMail('bob', 2));
    expect((await dovecot.countLogins('alice')) - before).toBe(1);
  });

  itWithCurl('curl reads mail by STARTTLS, and does not without', async () => {
    const proxy = await start('imap://127.0.0.1:0');
    const url = `imap://localhost:${String(proxy.port)}`;
    expect(await curl(url, '--ssl-reqd', '--user', 'alice:secret')).toBe(seededMail('alice', 2));
    await expect(curl(url, '--user', 'alice:secret')).rejects.toThrow(/Login denied|curl: \(67\)/);
  });

  itWithCurl('curl gives its address by a PROXY header, before TLS', async () => {
    const proxy = await start('imaps://127.0.0.1:0?proxy=v1');
    const url = `imaps://localhost:${String(proxy.port)}`;
    const mail = await curl(url, '--ipv4', '--haproxy-protocol', '--user', 'alice:secret');
    expect(mail).toBe(seededMail('alice', 2));
    await expect(curl(url, '--ipv4', '--user', 'alice:secret')).rejects.toThrow(/curl: \(35\)/);
    expect(
      await proxy.metric('imapbouncer_client_connections_rejected_total', { reason: 'proxy_header' }),
    ).toBe(1);
  });

  it.each([
    ['imaps', []],
    ['imap', ['-starttls', 'imap']],
  ])('openssl s_client verifies the certificate at %s:// listeners, and talks', async (scheme, args) => {
    const proxy = await start(`${scheme}://127.0.0.1:0`);
    const target = ['-connect', `localhost:${String(proxy.port)}`, '-verify_hostname', 'localhost'];
    const child = spawn('openssl', [
      ...['s_client', '-quiet', '-crlf', '-CAfile', caFile, '-verify_return_error'],
      ...[...target, ...args],
    ]);
    child.stdin.write('a LOGIN alice secret\nb STATUS INBOX (MESSAGES)\nc LOGOUT\n');
    const output = await text(child.stdout);
    expect(output).toContain('a OK [CAPABILITY ');
    expect(output).toContain('* STATUS INBOX (MESSAGES 3)');
    expect(output).toContain('c OK ');
    child.kill();
  });
});

describe('the process', () => {
  const pathOf = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
  const children: ChildProcess[] = [];
  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
  });

  function start(environment: Readonly<Record<string, string>>): ChildProcess {
    const child = spawn(
      process.execPath,
      ['--import', pathOf('scripts/typescript-loader.mjs'), pathOf('src/main.ts')],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: process.env['PATH'],
          UPSTREAM_TLS: 'off',
          LISTEN: 'imaps://127.0.0.1:0',
          ADMIN_LISTEN: '127.0.0.1:0',
          UPSTREAM_MAX_CONNECTIONS: '10',
          ...environment,
        },
      },
    );
    children.push(child);
    return child;
  }

  it('ends with 78 and a sentence when a TLS file can not be used', async () => {
    const own = await makeTlsFolder();
    try {
      await own.replace({ ...own.certificate, key: 'hello' });
      const child = start({ UPSTREAM_HOST: 'localhost', ...own.environment });
      const [errors] = await Promise.all([text(child.stderr!), once(child, 'exit')]);
      expect(child.exitCode).toBe(78);
      expect(errors).toMatch(/^imapbouncer: TLS_KEY_FILE is ".*"; it must hold a private key in PEM/);
    } finally {
      await own.remove();
    }
  });

  it('shows a new certificate after SIGHUP, and keeps its sessions', async () => {
    const own = await makeTlsFolder();
    const upstream = await startScriptedUpstream();
    try {
      const oldCa = own.certificate.ca;
      const child = start({
        UPSTREAM_HOST: upstream.host,
        UPSTREAM_PORT: String(upstream.port),
        ...own.environment,
      });
      const log = readLog(child);
      const port = Number((await log.find('listening'))['listener']?.split(':').at(-1));
      await log.find('ready for clients');
      const tls = (ca: string) => ({ port, tls: { ca, servername: 'localhost' } });
      const { client } = await RawClient.connectAndGreet(tls(oldCa));
      await own.replace(await makeCertificate());
      child.kill('SIGHUP');
      await log.find('clients are shown the certificate of the changed files from now on');
      const second = (await RawClient.connectAndGreet(tls(own.certificate.ca))).client;
      expect((await client.command('LOGIN alice secret')).status).toBe('OK');
      for (const each of [client, second]) each.destroy();
    } finally {
      await upstream.close();
      await own.remove();
    }
  });
});

/** Looks for a line in what a process logs. */
function readLog(child: ChildProcess): { find(msg: string): Promise<Record<string, string | undefined>> } {
  let written = '';
  const waiting = new Set<() => void>();
  child.stdout?.on('data', (chunk: Buffer) => {
    written += chunk.toString();
    for (const look of waiting) look();
  });
  return {
    find: (msg) =>
      new Promise((resolve) => {
        const look = (): void => {
          const lines = written.split('\n').slice(0, -1);
          const found = lines
            .map((line) => JSON.parse(line) as Record<string, string | undefined>)
            .find((line) => line['msg'] === msg);
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
  };
}
