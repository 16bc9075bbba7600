/** Owns how the configured upstream is dialed: by the proxy, and by the doctor in the same way. */

import type { Config } from './config/config.js';
import { readTlsFiles } from './config/tls-files.js';
import type { DialOptions } from './upstream/dial.js';

/** @throws ConfigError if a TLS file can't be read or used */
export async function dialOptionsOf({ upstream }: Config): Promise<DialOptions> {
  const { host, port, tls, tlsVerify, tlsServername, connectTimeoutMs } = upstream;
  return {
    host,
    port,
    tls,
    tlsVerify,
    ...(tlsServername === undefined ? {} : { tlsServername }),
    tlsFiles: await readTlsFiles(upstream),
    timeoutMs: connectTimeoutMs,
  };
}
