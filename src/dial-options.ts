/** Owns how the configured upstream is dialed: by the proxy, and by the doctor in the same way. */

import { readFile } from 'node:fs/promises';

import type { Config } from './config/config.js';
import type { DialOptions, TlsFiles } from './upstream/dial.js';

/** @throws Error of the system if a TLS file can't be read */
export async function dialOptionsOf({ upstream }: Config): Promise<DialOptions> {
  const { host, port, tls, tlsVerify, tlsServername, connectTimeoutMs } = upstream;
  const tlsFiles: TlsFiles = {
    ...(await fileAs('ca', upstream.tlsCaFile)),
    ...(await fileAs('cert', upstream.tlsCertFile)),
    ...(await fileAs('key', upstream.tlsKeyFile)),
  };
  return {
    host,
    port,
    tls,
    tlsVerify,
    ...(tlsServername === undefined ? {} : { tlsServername }),
    tlsFiles,
    timeoutMs: connectTimeoutMs,
  };
}

async function fileAs(key: keyof TlsFiles, path: string | undefined): Promise<TlsFiles> {
  return path === undefined ? {} : { [key]: await readFile(path) };
}
