/** Owns the reading of the TLS files, so that one that OpenSSL can't use ends the start and not every later connection. */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { BadValue } from './bad-value.js';
import { ConfigError } from './config-error.js';
import type { ClientTlsConfig, Config } from './config.js';
import { describeProblem } from './problem.js';

/** What the files hold; PEM that OpenSSL takes. */
export interface TlsFileContents {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** What clients are shown, and the key that proves it; PEM that OpenSSL takes. */
export interface CertificateAndKey {
  readonly cert: Buffer;
  readonly key: Buffer;
}

type ContentKind = keyof TlsFileContents;

interface TlsFile {
  readonly as: ContentKind;
  readonly variable: string;
  readonly path: string | undefined;
}

/** What would be right of each kind, and what throws what OpenSSL has against a content. */
const KINDS: Readonly<
  Record<ContentKind, { readonly advice: string; readonly verify: (content: Buffer) => void }>
> = {
  ca: {
    advice: 'it must hold the certificates of authorities in PEM',
    verify: verifyAuthorities,
  },
  cert: {
    advice: 'it must hold a certificate in PEM',
    verify: (cert) => createSecureContext({ cert }),
  },
  key: {
    advice: 'it must hold a private key in PEM, without a passphrase',
    verify: (key) => createSecureContext({ key }),
  },
};

const PEM_CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]*(?:-----END [^\n]*)?/g;

/**
 * Looks at each certificate by itself: OpenSSL stops at the first one that it can't read, without an error, and then believes
 * only the ones before it.
 */
function verifyAuthorities(content: Buffer): void {
  const certificates = content.toString('latin1').match(PEM_CERTIFICATE);
  if (certificates === null) throw new Error('there is no certificate in it');
  for (const certificate of certificates) new X509Certificate(certificate);
}

function problemOf({ variable, path, as }: TlsFile, error: unknown): string {
  const detail = error instanceof Error ? error.message : String(error);
  return describeProblem(variable, path, new BadValue(`${KINDS[as].advice} (${detail})`));
}

/**
 * Reads the files of UPSTREAM_TLS_*_FILE.
 *
 * @throws ConfigError with every file that can't be read or used
 */
export function readTlsFiles(upstream: Config['upstream']): Promise<TlsFileContents> {
  return readFiles([
    { as: 'ca', variable: 'UPSTREAM_TLS_CA_FILE', path: upstream.tlsCaFile },
    { as: 'cert', variable: 'UPSTREAM_TLS_CERT_FILE', path: upstream.tlsCertFile },
    { as: 'key', variable: 'UPSTREAM_TLS_KEY_FILE', path: upstream.tlsKeyFile },
  ]);
}

/**
 * Reads the files of TLS_CERT_FILE and TLS_KEY_FILE.
 *
 * @throws ConfigError with every file that can't be read or used
 */
export async function readClientTlsFiles({ certFile, keyFile }: ClientTlsConfig): Promise<CertificateAndKey> {
  const { cert, key } = await readFiles([
    { as: 'cert', variable: 'TLS_CERT_FILE', path: certFile },
    { as: 'key', variable: 'TLS_KEY_FILE', path: keyFile },
  ]);
  if (cert === undefined || key === undefined)
    throw new Error('both files were read, or a ConfigError thrown');
  return { cert, key };
}

async function readFiles(files: readonly TlsFile[]): Promise<TlsFileContents> {
  const contents: { -readonly [Kind in ContentKind]?: Buffer } = {};
  const problems: string[] = [];
  for (const file of files) {
    if (file.path === undefined) continue;
    try {
      const content = await readFile(file.path);
      KINDS[file.as].verify(content);
      // The certificate comes before its key.
      if (file.as === 'key' && contents.cert !== undefined)
        verifyPair(contents.cert, content, file.variable.replace('KEY', 'CERT'));
      contents[file.as] = content;
    } catch (error) {
      problems.push(problemOf(file, error));
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return contents;
}

/** OpenSSL itself says nothing where the two are of different types. */
function verifyPair(cert: Buffer, key: Buffer, certVariable: string): void {
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
    throw new Error(`it is not the key of ${certVariable}`);
}
