// Makes a throw-away certificate authority and server certificates with the openssl command.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** valid: for `localhost` and 127.0.0.1; wrong-host: for another name; expired: for `localhost`, in 2020. */
export type CertificateKind = 'valid' | 'wrong-host' | 'expired';

/** All in PEM. */
export interface Certificate {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const subjectNames: Record<CertificateKind, string> = {
  valid: 'DNS:localhost,IP:127.0.0.1,IP:::1',
  'wrong-host': 'DNS:elsewhere.example',
  expired: 'DNS:localhost,IP:127.0.0.1,IP:::1',
};

/** Makes a new authority and one server certificate of it; leaves no file behind. */
export async function makeCertificate(kind: CertificateKind = 'valid'): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), 'imapbouncer-cert-'));
  try {
    return await makeIn(folder, kind);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeIn(folder: string, kind: CertificateKind): Promise<Certificate> {
  const openssl = (...args: string[]): Promise<unknown> => run('openssl', args, { cwd: folder });
  const keyType = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await writeFile(join(folder, 'ca.cnf'), authorityConfig(kind));
  await writeFile(join(folder, 'index.txt'), '');
  await openssl(
    'req',
    '-x509',
    ...keyType,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '30',
    '-subj',
    '/CN=Test CA',
  );
  await openssl('req', ...keyType, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=test server');
  // `openssl ca` and not `openssl x509`: only the former takes a start and an end date in every version 1.1 to 3.x.
  const dates =
    kind === 'expired' ? ['-startdate', '20200101000000Z', '-enddate', '20200201000000Z'] : ['-days', '30'];
  await openssl(
    ...['ca', '-batch', '-notext', '-config', 'ca.cnf', '-cert', 'ca.pem', '-keyfile', 'ca.key'],
    ...['-in', 'server.csr', '-out', 'server.pem', '-extensions', 'server', ...dates],
  );
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');
  return { ca: await read('ca.pem'), cert: await read('server.pem'), key: await read('server.key') };
}

function authorityConfig(kind: CertificateKind): string {
  return `[ca]
default_ca = test
[test]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
[server]
basicConstraints = CA:FALSE
subjectAltName = ${subjectNames[kind]}
`;
}
