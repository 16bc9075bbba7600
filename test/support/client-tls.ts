// The TLS files of a proxy in a folder of their own.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Certificate, type CertificateKind, makeCertificate } from './certificates.js';

/** The caller must `remove()` it; twice is safe. */
export interface TlsFolder {
  readonly certFile: string;
  readonly keyFile: string;
  /** The variables that name the files. */
  readonly environment: Readonly<Record<'TLS_CERT_FILE' | 'TLS_KEY_FILE', string>>;
  /** Of the certificate that is in the files now. */
  certificate: Certificate;
  /** Writes another certificate, and its key, into the files. */
  replace(certificate: Certificate): Promise<void>;
  remove(): Promise<void>;
}

export async function makeTlsFolder(kind: CertificateKind = 'valid'): Promise<TlsFolder> {
  const folder = await mkdtemp(join(tmpdir(), 'imapbouncer-tls-'));
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const tls: TlsFolder = {
    certFile,
    keyFile,
    environment: { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile },
    certificate: await makeCertificate(kind),
    replace: async (certificate) => {
      tls.certificate = certificate;
      await writeFile(certFile, certificate.cert);
      await writeFile(keyFile, certificate.key);
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
  await tls.replace(tls.certificate);
  return tls;
}
