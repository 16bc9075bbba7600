// What is wrong with TLS towards the server: no password leaves, nothing is left, and every login is told in time.

import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificate } from '../support/certificates.js';
import type { Certificate, CertificateKind } from '../support/certificates.js';
import type { ScriptedUpstreamOptions } from '../support/scripted-upstream.js';
import { useStages } from './stage.js';

const stage = useStages();
const kinds: readonly CertificateKind[] = ['valid', 'wrong-host', 'expired'];
const certificates = new Map<CertificateKind, Certificate>();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faults-tls-'));
  for (const kind of kinds) {
    const certificate = await makeCertificate(kind);
    certificates.set(kind, certificate);
    writeFileSync(join(folder, `${kind}.pem`), certificate.ca);
  }
}, 30_000);

afterAll(() => rm(folder, { recursive: true }));

interface Row {
  readonly name: string;
  readonly certificate: CertificateKind;
  /** Whose signatures are believed. */
  readonly ca: CertificateKind;
  readonly server: 'off' | 'implicit' | 'starttls';
  readonly proxy: 'implicit' | 'starttls';
  readonly upstream?: ScriptedUpstreamOptions;
}

const secure = ['implicit', 'starttls'] as const;
const rows: readonly Row[] = [
  ...secure.flatMap((tls): Row[] => [
    {
      name: 'a certificate that has expired',
      certificate: 'expired',
      ca: 'expired',
      server: tls,
      proxy: tls,
    },
    {
      name: 'a certificate of another host',
      certificate: 'wrong-host',
      ca: 'wrong-host',
      server: tls,
      proxy: tls,
    },
    {
      name: 'a certificate that nobody vouches for',
      certificate: 'valid',
      ca: 'expired',
      server: tls,
      proxy: tls,
    },
    { name: 'a server that speaks no TLS', certificate: 'valid', ca: 'valid', server: 'off', proxy: tls },
  ]),
  {
    name: 'a server that speaks TLS at once',
    certificate: 'valid',
    ca: 'valid',
    server: 'implicit',
    proxy: 'starttls',
  },
  {
    name: 'a server that does not offer STARTTLS, and would take it',
    certificate: 'valid',
    ca: 'valid',
    server: 'off',
    proxy: 'starttls',
    upstream: { capabilitiesBeforeLogin: ['IMAP4rev1', 'SASL-IR', 'AUTH=PLAIN'] },
  },
  {
    name: 'a server that offers STARTTLS, and says BAD to it',
    certificate: 'valid',
    ca: 'valid',
    server: 'off',
    proxy: 'starttls',
    upstream: { capabilitiesBeforeLogin: ['IMAP4rev1', 'SASL-IR', 'AUTH=PLAIN', 'STARTTLS'] },
  },
];

describe('towards', () => {
  it.each(rows)(
    '$name, UPSTREAM_TLS=$proxy: no login',
    async ({ certificate, ca, server, proxy, upstream }) => {
      const s = await stage({
        upstream: { tls: server, certificate: certificates.get(certificate)!, ...upstream },
        environment: {
          UPSTREAM_TLS: proxy,
          UPSTREAM_TLS_CA_FILE: join(folder, `${ca}.pem`),
          UPSTREAM_CONNECT_TIMEOUT: '1s',
        },
      });
      for (const user of ['alice', 'bob', 'alice']) {
        const client = await s.connect();
        const { status, text } = await client.command(`LOGIN ${user} secret`);
        expect(`${status} ${text}`).toMatch(/^NO \[UNAVAILABLE\] /);
        await s.leave(client);
      }
      expect(s.attempts).toBe(0);
      for (const { received } of s.upstream.connections)
        expect(received.toString('latin1')).not.toMatch(/LOGIN|AUTHENTICATE|secret/);
      await s.untilSessions(0);
      await s.untilPool({ connecting: 0, idle: 0, leased: 0, closing: 0 });
      expect(await s.metric('upstream_connections_opened_total')).toBe(0);
      await s.upstream.waitForOpenConnections(0);
    },
  );

  it.each(secure)('a server that is as it should be, UPSTREAM_TLS=%s: mail', async (tls) => {
    const ca = join(folder, 'valid.pem');
    const s = await stage({
      upstream: { tls, certificate: certificates.get('valid')! },
      environment: { UPSTREAM_TLS: tls, UPSTREAM_TLS_CA_FILE: ca },
    });
    for (const user of ['alice', 'bob']) await s.leave((await s.lease(user)).client);
    await s.untilPool({ idle: 2, resetting: 0 });
  });
});
