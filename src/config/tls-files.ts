/** Owns the reading of the TLS files, so that one that OpenSSL can't use ends the start and not every later connection. */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { BadValue } from './bad-value.js';
import { ConfigError } from './config-error.js';
import type { Config } from './config.js';
import { describeProblem } from './problem.js';

/** What the files hold; PEM that OpenSSL takes. */
export interface TlsFileContents {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

interface TlsFile {
  readonly as: keyof TlsFileContents;
  readonly variable: string;
  readonly path: string | undefined;
  /** What would be right. */
  readonly advice: string;
  /** Throws what OpenSSL has against the content. */
  readonly verify: (content: Buffer) => void;
}

function tlsFilesOf(upstream: Config['upstream']): readonly TlsFile[] {
  return [
    {
      as: 'ca',
      variable: 'UPSTREAM_TLS_CA_FILE',
      path: upstream.tlsCaFile,
      advice: 'it must hold the certificates of authorities in PEM',
      verify: verifyAuthorities,
    },
    {
      as: 'cert',
      variable: 'UPSTREAM_TLS_CERT_FILE',
      path: upstream.tlsCertFile,
      advice: 'it must hold a certificate in PEM',
      verify: (cert) => createSecureContext({ cert }),
    },
    {
      as: 'key',
      variable: 'UPSTREAM_TLS_KEY_FILE',
      path: upstream.tlsKeyFile,
      advice: 'it must hold a private key in PEM, without a passphrase',
      verify: (key) => createSecureContext({ key }),
    },
  ];
}

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

function problemOf({ variable, path, advice }: TlsFile, error: unknown): string {
  const detail = error instanceof Error ? error.message : String(error);
  return describeProblem(variable, path, new BadValue(`${advice} (${detail})`));
}

/**
 * Reads the files of UPSTREAM_TLS_*_FILE.
 *
 * @throws ConfigError with every file that can't be read or used
 */
export async function readTlsFiles(upstream: Config['upstream']): Promise<TlsFileContents> {
  const contents: { -readonly [Key in keyof TlsFileContents]: Buffer } = {};
  const problems: string[] = [];
  for (const file of tlsFilesOf(upstream)) {
    if (file.path === undefined) continue;
    try {
      const content = await readFile(file.path);
      file.verify(content);
      // The certificate comes before its key.
      if (file.as === 'key' && contents.cert !== undefined) verifyPair(contents.cert, content);
      contents[file.as] = content;
    } catch (error) {
      problems.push(problemOf(file, error));
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return contents;
}

/** OpenSSL itself says nothing where the two are of different types. */
function verifyPair(cert: Buffer, key: Buffer): void {
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
    throw new Error('it is not the key of UPSTREAM_TLS_CERT_FILE');
}
