// The certificate that clients are shown: read at the start, and again when its files change.

import { mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ClientTls, readClientTls } from '../../src/client-tls.js';
import { ConfigError } from '../../src/config/config-error.js';
import type { ClientTlsConfig } from '../../src/config/config.js';
import { loadConfig } from '../../src/config/load.js';
import { makeCertificate } from '../support/certificates.js';
import type { Certificate } from '../support/certificates.js';
import { Changes } from '../support/changes.js';

let first: Certificate;
let second: Certificate;
beforeAll(async () => {
  [first, second] = await Promise.all([makeCertificate(), makeCertificate()]);
});

let folder: string;
let config: ClientTlsConfig;
let server: Server;
let tls: ClientTls | undefined;
let events: string[];
let changes: Changes;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'client-tls-'));
  config = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem'), minVersion: 'TLSv1.2' };
  await write(first);
  events = [];
  changes = new Changes();
  server = createServer((socket) => {
    const secure = tls!.server.wrap(socket);
    secure.on('error', () => undefined);
    secure.on('end', () => secure.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  tls?.close();
  tls = undefined;
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

async function write({ cert, key }: Pick<Certificate, 'cert' | 'key'>): Promise<void> {
  await writeFile(config.certFile, cert);
  await writeFile(config.keyFile, key);
}

/** @param pollIntervalMs - an hour, unless the polling itself is looked at */
async function open(pollIntervalMs = 3_600_000): Promise<ClientTls> {
  const note = (event: string): void => {
    events.push(event);
    changes.notify();
  };
  tls = await ClientTls.open(
    config,
    {
      onRenewed: () => note('renewed'),
      onNotRenewed: (error) => note(`not renewed: ${String(error)}`),
    },
    pollIntervalMs,
  );
  return tls;
}

/** Which of the two certificates a client is shown. */
function shown(): Promise<'first' | 'second'> {
  return new Promise((resolve, reject) => {
    const { port } = server.address() as AddressInfo;
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      const { raw } = socket.getPeerCertificate();
      const pem = raw.toString('base64').slice(0, 60);
      resolve(first.cert.replaceAll('\n', '').includes(pem) ? 'first' : 'second');
      socket.end();
    });
    socket.on('error', reject);
  });
}

describe('the files', () => {
  const load = (files: ClientTlsConfig): ReturnType<typeof readClientTls> =>
    readClientTls(
      loadConfig({
        UPSTREAM_HOST: 'imap.example.org',
        TLS_CERT_FILE: files.certFile,
        TLS_KEY_FILE: files.keyFile,
      }),
    );

  test('are none without TLS towards clients', async () => {
    expect(await readClientTls(loadConfig({ UPSTREAM_HOST: 'imap.example.org' }))).toBeUndefined();
  });

  test('are read as they are', async () => {
    expect(await load(config)).toEqual({
      cert: Buffer.from(first.cert),
      key: Buffer.from(first.key),
      minVersion: 'TLSv1.2',
    });
  });

  test.each([
    ['a certificate that is none', 'hello', undefined, /^TLS_CERT_FILE is .*a certificate in PEM/],
    ['a key that is none', undefined, 'hello', /^TLS_KEY_FILE is .*a private key in PEM/],
  ])('are refused for %s', async (_what, cert, key, sentence) => {
    await write({ cert: cert ?? first.cert, key: key ?? first.key });
    const error: unknown = await load(config).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).problems).toEqual([expect.stringMatching(sentence)]);
  });

  test('are refused for the key of another certificate', async () => {
    await write({ cert: first.cert, key: second.key });
    await expect(open()).rejects.toThrow(/^TLS_KEY_FILE is .*\(it is not the key of TLS_CERT_FILE\)\.$/);
  });
});

describe('a change of the files', () => {
  test('is seen by looking at them again and again', async () => {
    await open(5);
    expect(await shown()).toBe('first');
    await write(second);
    await changes.until(
      () => (events.includes('renewed') ? true : undefined),
      () => events.join(', '),
    );
    expect(await shown()).toBe('second');
  });

  test('is no change when nothing changed', async () => {
    const watched = await open();
    await watched.check();
    await watched.check();
    expect(events).toEqual([]);
  });

  test('that is half done keeps the certificate before, with one warning, until it is done', async () => {
    const watched = await open();
    await writeFile(config.certFile, second.cert.slice(0, 200));
    await watched.check();
    await watched.check();
    expect(events).toEqual([expect.stringMatching(/^not renewed: .*TLS_CERT_FILE/)]);
    expect(await shown()).toBe('first');
    await writeFile(config.certFile, second.cert);
    await watched.check();
    expect(events[1]).toMatch(/^not renewed: .*it is not the key of TLS_CERT_FILE/);
    expect(await shown()).toBe('first');
    await writeFile(config.keyFile, second.key);
    await watched.check();
    expect(events.slice(2)).toEqual(['renewed']);
    expect(await shown()).toBe('second');
  });

  test('that takes a file away keeps the certificate before', async () => {
    const watched = await open();
    await unlink(config.keyFile);
    await watched.check();
    expect(events).toEqual([expect.stringMatching(/^not renewed: .*ENOENT/)]);
    expect(await shown()).toBe('first');
    await writeFile(config.keyFile, first.key);
    await watched.check();
    expect(events.slice(1)).toEqual(['renewed']);
  });

  test('behind a link that leads elsewhere is one', async () => {
    const names = { cert: join(folder, 'new-cert'), key: join(folder, 'new-key') };
    const watched = await open();
    await writeFile(names.cert, second.cert);
    await writeFile(names.key, second.key);
    for (const [target, path] of [
      [names.cert, config.certFile],
      [names.key, config.keyFile],
    ] as const) {
      await symlink(target, `${path}.link`);
      await rename(`${path}.link`, path);
    }
    await watched.check();
    expect(events).toEqual(['renewed']);
    expect(await shown()).toBe('second');
  });

  test('is not looked for any more once it is closed', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const watched = await open();
      expect(vi.getTimerCount()).toBe(1);
      watched.close();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});
