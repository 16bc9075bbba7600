/** Owns the one sentence for each way in which a server can't be reached: what is wrong, and what to do. */

import type { Config } from '../config/config.js';
import type { ConnectFailure, ProxyError } from '../errors.js';
import { hostPort } from '../net/host-port.js';
import { namesInWords } from './certificate.js';
import type { CertificateFacts } from './certificate.js';

export interface FailureContext {
  readonly upstream: Config['upstream'];
  /** What the server showed, if a second look without verification saw it. */
  readonly certificate?: CertificateFacts | undefined;
  /** Whether the port accepts TCP connections; undefined if nobody looked. */
  readonly acceptsTcp?: boolean | undefined;
}

export interface Explanation {
  readonly topic: string;
  readonly text: string;
}

/** @param error - what dialing failed with */
export function explainFailure(error: ProxyError, context: FailureContext): Explanation {
  const { host, port } = context.upstream;
  const where = hostPort(host, port);
  const code = error.code as ConnectFailure;
  switch (code) {
    case 'dns':
      return {
        topic: 'DNS',
        text: `${host} does not resolve; correct UPSTREAM_HOST, or the DNS of this machine`,
      };
    case 'refused':
      return {
        topic: 'TCP',
        text: `${where} refuses connections; start the IMAP server, or correct UPSTREAM_HOST and UPSTREAM_PORT`,
      };
    case 'ephemeral_ports':
      return {
        topic: 'TCP',
        text: `this machine has no free port towards ${where}; end what uses them up, or widen net.ipv4.ip_local_port_range`,
      };
    case 'timeout':
      return explainTimeout(error, where, context);
    case 'tls':
      return { topic: 'TLS', text: explainTls(error, where, context) };
    case 'greeting':
      return { topic: 'greeting', text: explainGreeting(error, where) };
    default:
      return {
        topic: 'TCP',
        text: `${where} can't be reached (${error.message}); look at routes and firewalls between here and there`,
      };
  }
}

function explainTimeout(
  { message }: ProxyError,
  where: string,
  { upstream, acceptsTcp }: FailureContext,
): Explanation {
  const { tls, connectTimeoutMs } = upstream;
  const within = `within ${connectTimeoutMs / 1_000} s (UPSTREAM_CONNECT_TIMEOUT)`;
  if (acceptsTcp !== true) {
    return {
      topic: 'TCP',
      text: `${where} does not answer ${within}; correct UPSTREAM_HOST and UPSTREAM_PORT, or open the firewall for them`,
    };
  }
  if (message.includes('is no IMAP greeting'))
    return {
      topic: 'greeting',
      text: `what ${where} sends ${within} is no IMAP greeting; correct UPSTREAM_HOST and UPSTREAM_PORT, or ask that server for its greeting to see what it is`,
    };
  if (message.includes('greets, and then'))
    return {
      topic: 'greeting',
      text: `${where} greets, and then does not answer ${within}; look at its load and its log`,
    };
  const advice =
    tls === 'off'
      ? 'if it speaks TLS from the start, set UPSTREAM_TLS=implicit, else look at the load of the server'
      : 'look at its load and its log, or correct UPSTREAM_PORT';
  return { topic: 'greeting', text: `${where} accepts connections and stays silent ${within}; ${advice}` };
}

function explainGreeting({ message }: ProxyError, where: string): string {
  if (message.includes('PREAUTH'))
    return `${where} greets with PREAUTH, so it checks no password and everybody would be its one user; point UPSTREAM_HOST and UPSTREAM_PORT at a listener that asks for logins`;
  const excess = /(?:sends|announces) more than \d+ kB/.exec(message)?.[0];
  if (excess !== undefined)
    return `${where} ${excess} before the login, which no IMAP server needs; correct UPSTREAM_HOST and UPSTREAM_PORT`;
  const bye = /said BYE: (.*)/s.exec(message)?.[1];
  return bye === undefined
    ? `${where} hangs up without a greeting; look into its log: it may be full, or not accept this address`
    : `${where} greets with BYE (${bye}); look into its log: it may be full, stopping, or not accept this address`;
}

function explainTls(error: ProxyError, where: string, { upstream, certificate }: FailureContext): string {
  const code = systemCodeOf(error);
  const name = upstream.tlsServername ?? upstream.host;
  const issuer = certificate === undefined ? 'its issuer' : certificate.issuer;
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return `the certificate of ${where} expired${onDay(certificate)}; renew it on the server`;
    case 'CERT_NOT_YET_VALID':
      return `the certificate of ${where} is not valid yet; correct the clock of this machine, or the certificate`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID': {
      const names = certificate === undefined ? 'another name' : namesInWords(certificate.names);
      return `the certificate of ${where} is for ${names} and not for ${name}; set UPSTREAM_HOST to a name that is in it, or UPSTREAM_TLS_SERVERNAME if this is the right server`;
    }
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return `the certificate of ${where} is self-signed; put it into a PEM file, and set UPSTREAM_TLS_CA_FILE to that`;
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return `the certificate of ${where} is signed by ${issuer}, which ${unknownIssuer(upstream, code)}`;
    case 'STARTTLS_INJECTION':
      return `${where} sends bytes between its OK to STARTTLS and TLS, as an attacker in between would; find out who that is`;
  }
  if (error.message.includes('does not support STARTTLS'))
    return `${where} offers no STARTTLS; set UPSTREAM_TLS=implicit and UPSTREAM_PORT to its TLS port (993)`;
  if (
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|wrong version number|packet length too long/i.test(
      code + error.message,
    )
  )
    return `${where} does not speak TLS from the start; set UPSTREAM_TLS=starttls, or UPSTREAM_PORT to its TLS port (993)`;
  if (/CERTIFICATE_REQUIRED|certificate required|handshake failure/i.test(code + error.message))
    return `${where} breaks the TLS handshake off (${error.message}); it may want a client certificate: UPSTREAM_TLS_CERT_FILE and UPSTREAM_TLS_KEY_FILE`;
  return `there is no TLS 1.2 or later with ${where} (${error.message}); look into the log of the server`;
}

function unknownIssuer({ tlsCaFile }: Config['upstream'], code: string): string {
  if (tlsCaFile !== undefined)
    return `is not in UPSTREAM_TLS_CA_FILE (${tlsCaFile}); put the certificate of that authority into it`;
  // Either of the two is the cause, and only the server's operator knows which.
  const isChainShort = code === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE';
  return `is not known here; ${isChainShort ? 'let the server send its intermediate certificates, or ' : ''}set UPSTREAM_TLS_CA_FILE to a PEM file with the certificate of that authority`;
}

function onDay(certificate: CertificateFacts | undefined): string {
  return certificate === undefined ? '' : ` on ${certificate.validTo}, ${-certificate.daysLeft} days ago`;
}

/** The code of Node or OpenSSL behind the error; empty if there is none. */
export function systemCodeOf(error: unknown): string {
  let at: unknown = error;
  let found = '';
  while (at instanceof Error) {
    const { code } = at as NodeJS.ErrnoException;
    if (code !== undefined) found = code;
    at = at.cause;
  }
  return found;
}
