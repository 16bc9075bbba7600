/** Owns ImapFlow: DNS, TCP, TLS or STARTTLS and the greeting are its work, the socket is handed over before login. */

import type { Socket } from 'node:net';
import type { ImapFlow } from 'imapflow';

import { ProxyError } from '../errors.js';
import type { ConnectFailure } from '../errors.js';
import { CapabilitySet } from '../wire/capability.js';

export interface TlsFiles {
  /** Certificates of the authorities to believe instead of the system's; PEM. */
  readonly ca?: Buffer;
  /** Client certificate and its key; PEM. */
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export interface DialOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: 'implicit' | 'starttls' | 'off';
  /** Whether chain and host name must be right. */
  readonly tlsVerify: boolean;
  /** The name that the certificate must carry; `host` if undefined. */
  readonly tlsServername?: string;
  readonly tlsFiles: TlsFiles;
  /** One deadline from DNS to the greeting, TLS included; milliseconds. */
  readonly timeoutMs: number;
}

/** A connection that greeted with OK and has no user yet. The caller owns the socket, which is not reading. */
export interface DialedSocket {
  readonly socket: Socket;
  /** As offered before login, after TLS. */
  readonly capabilities: CapabilitySet;
  /** What the server says of itself (RFC 2971), empty if nothing. */
  readonly serverId: Readonly<Record<string, string>>;
}

/**
 * Opens one connection up to the moment before login.
 *
 * ImapFlow is built without credentials: `connect()` then does everything up to CAPABILITY and ID and rejects with
 * AuthenticationFailure while the socket stays open. If it resolves, the server greeted with PREAUTH: somebody
 * else's session, whatever the password, so that is a failure.
 *
 * @param signal - gives the attempt up
 * @param clientAddress - told to the server by ID, for its log and its limits; Dovecot believes it of
 *   `login_trusted_networks`
 * @throws ProxyError with a {@link ConnectFailure} as its code
 */
export async function dial(
  options: DialOptions,
  signal?: AbortSignal,
  clientAddress?: string,
): Promise<DialedSocket> {
  const { ImapFlow: Client } = await import('imapflow');
  const client = new Client({
    host: options.host,
    port: options.port,
    secure: options.tls === 'implicit',
    ...(options.tls === 'implicit' ? {} : { doSTARTTLS: options.tls === 'starttls' }),
    ...(options.tlsServername === undefined ? {} : { servername: options.tlsServername }),
    tls: { rejectUnauthorized: options.tlsVerify, minVersion: 'TLSv1.2', ...options.tlsFiles },
    connectionTimeout: options.timeoutMs,
    greetingTimeout: options.timeoutMs,
    clientInfo: {
      name: 'imapbouncer',
      ...(clientAddress === undefined ? {} : { 'x-originating-ip': clientAddress }),
    },
    logger: false,
    disableCompression: true,
    disableAutoEnable: true,
    disableAutoIdle: true,
  });
  let lastError: Error | undefined;
  // An instance without an error listener ends the process; what it reports here also rejects connect().
  client.on('error', (error: Error) => (lastError = error));
  let isLate = (): boolean => false;
  const timer = setTimeout(() => {
    isLate = () => true;
    client.close();
  }, options.timeoutMs);
  const isGivenUp = (): boolean => signal?.aborted === true;
  const giveUp = (): void => {
    client.close();
  };
  signal?.addEventListener('abort', giveUp);
  try {
    if (isGivenUp()) client.close();
    await client.connect();
  } catch (error) {
    if (!isLate() && !isGivenUp() && isReadyForLogin(client, error)) return handOver(client);
    client.close();
    if (isLate()) throw new ProxyError('timeout', { cause: error });
    if (isGivenUp()) throw new ProxyError('network', { cause: error, detail: 'the proxy is shutting down' });
    throw translate(client, lastError ?? error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
  client.close();
  throw new ProxyError('greeting', { detail: 'the upstream greets with PREAUTH, so it checks no password' });
}

function isReadyForLogin(client: ImapFlow, error: unknown): boolean {
  return (
    (error as { authenticationFailed?: boolean }).authenticationFailed === true &&
    client.state === client.states.NOT_AUTHENTICATED
  );
}

function handOver(client: ImapFlow): DialedSocket {
  const { socket } = client.unbind() as { socket: Socket };
  const capabilities = new CapabilitySet([...client.capabilities.keys()]);
  const serverId = Object.fromEntries(
    Object.entries(client.serverInfo ?? {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  );
  return { socket, capabilities, serverId };
}

const FAILURE_OF_CODE: Readonly<Record<string, ConnectFailure>> = {
  ECONNREFUSED: 'refused',
  EADDRNOTAVAIL: 'ephemeral_ports',
  EADDRINUSE: 'ephemeral_ports',
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  ETIMEDOUT: 'timeout',
  ETIMEOUT: 'timeout',
  CONNECT_TIMEOUT: 'timeout',
  GREETING_TIMEOUT: 'timeout',
  UPGRADE_TIMEOUT: 'timeout',
  STARTTLS_INJECTION: 'tls',
  EPROTO: 'tls',
  NoConnection: 'greeting',
  ClosedAfterConnectTLS: 'greeting',
  ClosedAfterConnectText: 'greeting',
};
const TLS_CODE = /^(?:ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH)/;

/** ImapFlow's and Node's errors in our words; their texts name hosts and certificates, never credentials. */
function translate(client: ImapFlow, error: unknown): ProxyError {
  const {
    code = '',
    message = '',
    tlsFailed,
  } = error as { code?: string; message?: string; tlsFailed?: boolean };
  const failure =
    tlsFailed === true || TLS_CODE.test(code)
      ? 'tls'
      : (FAILURE_OF_CODE[code] ?? (client.byeReason === undefined ? 'network' : 'greeting'));
  const bye = client.byeReason === undefined ? '' : `; the server said BYE: ${client.byeReason}`;
  return new ProxyError(failure, { cause: error, detail: `${message}${bye}` });
}
