/** Owns the look at the files of UPSTREAM_TLS_*: whether OpenSSL takes them. */

import { createSecureContext } from 'node:tls';

import type { TlsFiles } from '../upstream/dial.js';

/**
 * Looks whether OpenSSL takes the files, before any server is asked.
 *
 * @returns what is wrong with them, as a clause; undefined if nothing is
 */
export function tlsFilesProblem({ ca, cert, key }: TlsFiles): string | undefined {
  // Text without a certificate in it is no error to OpenSSL: it believes nobody then.
  if (ca?.includes('-----BEGIN') === false)
    return 'UPSTREAM_TLS_CA_FILE has no certificate in it; it must be PEM';
  try {
    createSecureContext({
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    });
    return undefined;
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return `a file of UPSTREAM_TLS_CA_FILE, UPSTREAM_TLS_CERT_FILE or UPSTREAM_TLS_KEY_FILE can't be used (${detail}); each must be PEM, and the key must belong to the certificate`;
  }
}
