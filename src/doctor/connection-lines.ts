/** Owns the lines about a connection that could be opened. */

import { TLSSocket } from 'node:tls';

import type { Config } from '../config/config.js';
import { isLoopback } from '../net/networks.js';
import { SOON_DAYS, certificateInWords } from './certificate.js';
import type { Conversation } from './conversation.js';
import { certificateOf } from './reach.js';
import type { Report } from './report.js';

/** Reports what there is to see of an open connection: TCP, TLS, the certificate and the greeting. */
export function reportConnection(
  report: Report,
  upstream: Config['upstream'],
  conversation: Conversation,
): void {
  const { socket, serverId } = conversation;
  report.ok('TCP', `connected to ${socket.remoteAddress ?? '?'} port ${socket.remotePort ?? upstream.port}`);
  if (socket instanceof TLSSocket) reportTls(report, upstream, socket);
  else if (isLoopback(upstream.host)) report.note('TLS', 'off, which on this machine is all right');
  else report.warn('TLS', 'off: passwords and mail cross the network in plain text');
  const name = serverId['name'];
  report.ok('greeting', name === undefined ? 'OK' : `OK, by ${name} ${serverId['version'] ?? ''}`);
}

function reportTls(report: Report, upstream: Config['upstream'], socket: TLSSocket): void {
  const cipher = socket.getCipher();
  report.ok('TLS', `${socket.getProtocol() ?? '?'} with ${cipher.standardName}`);
  const certificate = certificateOf(socket, new Date());
  const words = certificate === undefined ? 'none' : certificateInWords(certificate);
  if (!socket.authorized)
    report.warn(
      'certificate',
      `${words}; not verified, and it would be refused (${String(socket.authorizationError)}): UPSTREAM_TLS_VERIFY=false lets anybody in between read all passwords`,
    );
  else if (certificate !== undefined && certificate.daysLeft < SOON_DAYS)
    report.warn('certificate', `${words}; verified; renew it, or logins fail when it has expired`);
  else if (!upstream.tlsVerify)
    report.warn('certificate', `${words}; it would pass, so UPSTREAM_TLS_VERIFY=false is of no use`);
  else report.ok('certificate', `${words}; verified`);
}
