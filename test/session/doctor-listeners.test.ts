// What the doctor says of LISTEN and ADMIN_LISTEN: free, taken by others, taken by a running proxy.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { makeTlsFolder } from '../support/client-tls.js';
import type { TlsFolder } from '../support/client-tls.js';
import { diagnose } from '../support/doctor.js';
import type { DiagnoseOptions, Diagnosis } from '../support/doctor.js';
import { startProxy } from '../support/proxy.js';
import { startScriptedUpstream } from '../support/scripted-upstream.js';
import type { ScriptedUpstream } from '../support/scripted-upstream.js';

const upstreams: ScriptedUpstream[] = [];
afterEach(async () => {
  for (const upstream of upstreams.splice(0)) {
    await upstream.waitForOpenConnections(0);
    await upstream.close();
  }
});

async function start(): Promise<ScriptedUpstream> {
  const upstream = await startScriptedUpstream();
  upstreams.push(upstream);
  return upstream;
}

async function look(options: DiagnoseOptions): Promise<Diagnosis> {
  return diagnose(await start(), options);
}

describe('LISTEN and ADMIN_LISTEN', () => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  });

  /** Another program; says nothing, and hangs up when it is spoken to. */
  async function occupy(target: { path: string } | { port: number; host: string }): Promise<number> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => socket.destroy());
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(target, resolve));
    return 'path' in target ? 0 : (server.address() as AddressInfo).port;
  }

  it('are problems where another program listens', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'imapbouncer-doctor-'));
    try {
      const port = await occupy({ host: '127.0.0.1', port: 0 });
      const path = join(folder, 'taken.sock');
      await occupy({ path });
      await writeFile(join(folder, 'file'), '');
      const found = await look({
        environment: {
          LISTEN: `imap://127.0.0.1:${String(port)},unix:${path},unix:${join(folder, 'file')},unix:${folder}/none/x.sock,unix:${folder}/free.sock`,
          ADMIN_LISTEN: `127.0.0.1:${String(port)}`,
        },
      });
      expect(found.code).toBe(1);
      const taken = "can't be opened; another program listens there; end it, or choose another port or path";
      expect(found.about('LISTEN')).toEqual([
        `PROBLEM: 127.0.0.1:${String(port)} ${taken}`,
        `PROBLEM: ${path} ${taken}`,
        expect.stringContaining('exists and is no socket'),
        `PROBLEM: ${folder}/none/x.sock can't be opened; its folder does not exist; make it, or choose another`,
        `ok: ${folder}/free.sock can be opened`,
      ]);
      expect(found.about('ADMIN_LISTEN')).toEqual([`PROBLEM: 127.0.0.1:${String(port)} ${taken}`]);
      expect(found.lines.at(-1)).toBe('Not fine: 5 problems make logins fail.');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('are fine where an ImapBouncer runs already, since that is how it is asked in a container', async () => {
    const upstream = await start();
    const proxy = await startProxy(upstream);
    try {
      const found = await diagnose(upstream, {
        environment: {
          LISTEN: `imap://127.0.0.1:${String(proxy.port)}`,
          ADMIN_LISTEN: `127.0.0.1:${String(proxy.app.admin.port)}`,
        },
      });
      expect(found.code).toBe(0);
      for (const topic of ['LISTEN', 'ADMIN_LISTEN'])
        expect(found.about(topic)).toEqual([
          expect.stringMatching(/^note: .* is open already: an ImapBouncer runs there$/),
        ]);
    } finally {
      await proxy.stop();
    }
  });

  it('are problems where they are in each other’s way', async () => {
    const port = await occupy({ host: '127.0.0.1', port: 0 });
    await new Promise((resolve) => servers.pop()?.close(resolve));
    const found = await look({
      environment: {
        LISTEN: `imap://127.0.0.1:${String(port)}`,
        ADMIN_LISTEN: `127.0.0.1:${String(port)}`,
      },
    });
    expect(found.code).toBe(1);
    expect(found.about('ADMIN_LISTEN')[0]).toContain('another listener of this configuration has that port');
  });

  it('are problems where one of them has all addresses of a port', async () => {
    const port = await occupy({ host: '127.0.0.1', port: 0 });
    await new Promise((resolve) => servers.pop()?.close(resolve));
    const found = await look({
      environment: { LISTEN: `imap://0.0.0.0:${String(port)},imap://127.0.0.1:${String(port)}` },
    });
    expect(found.about('LISTEN')).toEqual([
      `ok: 0.0.0.0:${String(port)} can be opened`,
      `PROBLEM: 127.0.0.1:${String(port)} can't be opened; another listener of this configuration has that port; give it another one`,
    ]);
  });

  it('are written with brackets around an IPv6 address', async () => {
    const found = await look({ environment: { LISTEN: 'imap://[::1]:0', ADMIN_LISTEN: '[::1]:0' } });
    for (const topic of ['LISTEN', 'ADMIN_LISTEN'])
      expect(found.about(topic)[0]).toMatch(/^(?:ok|PROBLEM): \[::1\]:0 can/);
  });
});

describe('PLAINTEXT_NETWORKS', () => {
  const others =
    'other machines can connect to 0.0.0.0:0, but only clients on this one may log in without TLS';
  const trusted = 'add the networks that you trust with passwords';

  it.each([
    ['imap://0.0.0.0:0', 'loopback', [`warning: ${others}; ${trusted}`]],
    ['imap://0.0.0.0:0', '10.0.0.0/8', []],
    ['imap://0.0.0.0:0', 'none', [`warning: nobody may log in at 0.0.0.0:0 without TLS; ${trusted}`]],
    ['imap://127.0.0.1:0', 'loopback', []],
    [
      'imap://127.0.0.1:0?proxy=v1',
      'loopback',
      [`warning: ${others.replaceAll('0.0.0.0', '127.0.0.1')}; ${trusted}`],
    ],
    ['imap://127.0.0.1:0?proxy=v2', 'none', []],
    ['imap://127.0.0.1:0', '0.0.0.0/0', []],
    ['imap://127.0.0.1:0', 'none', ['warning: nobody may log in at 127.0.0.1:0 without TLS; add loopback']],
    [
      'imap://127.0.0.1:0,imap://localhost:0',
      '10.0.0.0/8',
      [
        'warning: nobody may log in at 127.0.0.1:0 without TLS; add loopback',
        'warning: nobody may log in at localhost:0 without TLS; add loopback',
      ],
    ],
  ])('is warned of where clients of %s may not log in: %s', async (LISTEN, PLAINTEXT_NETWORKS, warnings) => {
    const found = await look({ environment: { LISTEN, PLAINTEXT_NETWORKS } });
    expect(found.code).toBe(0);
    expect(found.about('PLAINTEXT_NETWORKS')).toEqual(warnings);
  });
});

describe('TLS towards clients', () => {
  const folders: TlsFolder[] = [];
  afterEach(async () => {
    for (const folder of folders.splice(0)) await folder.remove();
  });
  async function filesOf(...args: Parameters<typeof makeTlsFolder>): Promise<TlsFolder> {
    const folder = await makeTlsFolder(...args);
    folders.push(folder);
    return folder;
  }

  it('is reported with the certificate and how long it lasts, and lets everybody log in', async () => {
    const { environment } = await filesOf();
    const found = await look({
      environment: {
        ...environment,
        LISTEN: 'imaps://127.0.0.1:0,imap://0.0.0.0:0',
        PLAINTEXT_NETWORKS: 'none',
      },
    });
    expect(found.code).toBe(0);
    expect(found.about('TLS_CERT_FILE')).toEqual([
      'ok: CN=test server, for localhost, 127.0.0.1, 0:0:0:0:0:0:0:1, issued by CN=Test CA, 29 days left; from TLSv1.2 on',
    ]);
    expect(found.about('PLAINTEXT_NETWORKS')).toEqual([]);
    expect(found.about('LISTEN')).toEqual(['ok: 127.0.0.1:0 can be opened', 'ok: 0.0.0.0:0 can be opened']);
  });

  it('is a problem with a certificate that has expired', async () => {
    const { environment } = await filesOf('expired');
    const found = await look({ environment });
    expect(found.code).toBe(1);
    expect(found.about('TLS_CERT_FILE')[0]).toMatch(
      /^PROBLEM: .* expired \d+ days ago; clients refuse it: renew it$/,
    );
  });

  it('ends the check like a start where a file can not be used', async () => {
    const files = await filesOf();
    await files.replace({ ...files.certificate, key: 'hello' });
    await expect(look({ environment: files.environment })).rejects.toThrow(/^TLS_KEY_FILE is /);
  });

  it.each([
    ['imaps', ''],
    ['imap', '?proxy=v1'],
    ['imap', '?proxy=v2'],
    ['imaps', '?proxy=any'],
    ['imaps', '?proxy=v2'],
  ])('is how a running ImapBouncer is asked, and so is its PROXY header: %s %s', async (scheme, query) => {
    const { environment } = await filesOf();
    const upstream = await start();
    const proxy = await startProxy(upstream, { ...environment, LISTEN: `${scheme}://127.0.0.1:0${query}` });
    try {
      const LISTEN = `${scheme}://127.0.0.1:${String(proxy.port)}${query}`;
      const found = await diagnose(upstream, { environment: { ...environment, LISTEN } });
      expect(found.about('LISTEN')).toEqual([
        `note: 127.0.0.1:${String(proxy.port)} is open already: an ImapBouncer runs there`,
      ]);
    } finally {
      await proxy.stop();
    }
  });
});
