/** Owns the looks at a server that need no IMAP: its name, its port and its certificate. */

import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

import { ProxyError } from '../errors.js';
import { certificateFacts } from './certificate.js';
import type { CertificateFacts } from './certificate.js';

/**
 * The addresses of a host name, as a connection would look them up.
 *
 * @returns undefined if `host` is an address itself
 * @throws ProxyError `dns`, if there is no answer in time, too
 */
export async function resolveHost(host: string, timeoutMs: number): Promise<readonly string[] | undefined> {
  if (isIP(host) !== 0) return undefined;
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new ProxyError('dns', { detail: `no answer within ${timeoutMs} ms` }));
    }, timeoutMs);
  });
  try {
    const found = await Promise.race([lookup(host, { all: true }), deadline]);
    return found.map(({ address }) => address);
  } catch (error) {
    throw error instanceof ProxyError ? error : new ProxyError('dns', { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Whether the port accepts a TCP connection within the time. Never rejects; leaves nothing open. */
export function acceptsTcp(host: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const settle = (isAccepted: boolean): void => {
      socket.destroy();
      resolve(isAccepted);
    };
    socket.once('connect', () => {
      settle(true);
    });
    socket.once('timeout', () => {
      settle(false);
    });
    socket.on('error', () => {
      settle(false);
    });
  });
}

/** @returns undefined without TLS */
export function certificateOf(socket: Socket, today: Date): CertificateFacts | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const certificate = socket.getPeerCertificate();
  return Object.keys(certificate).length === 0 ? undefined : certificateFacts(certificate, today);
}
