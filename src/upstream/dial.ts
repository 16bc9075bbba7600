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
  /** The local address that the connection leaves from; the system's choice if undefined. */
  readonly localAddress?: string;
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

/** Whether the local address can't be left from, so that the server was not asked: not here, of another family, or out of ports. */
export function isOfSource({ cause }: ProxyError): boolean {
  const errors = cause instanceof AggregateError ? (cause.errors as unknown[]) : [cause];
  return errors.every((error) => (error as NodeJS.ErrnoException | undefined)?.syscall === 'bind');
}

/** More than any greeting, CAPABILITY and ID together; a server that sends more is none, or an enemy. */
const MAX_BYTES_BEFORE_LOGIN = 256 * 1024;
/** ImapFlow refuses what is too large for one response; this is for responses without end. */
const COUNT_EVERY_MS = 50;

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
  // ImapFlow gives these options to net.connect, too.
  const local = options.localAddress === undefined ? {} : { localAddress: options.localAddress };
  const client = new Client({
    host: options.host,
    port: options.port,
    secure: options.tls === 'implicit',
    ...(options.tls === 'implicit' ? {} : { doSTARTTLS: options.tls === 'starttls' }),
    ...(options.tlsServername === undefined ? {} : { servername: options.tlsServername }),
    tls: { rejectUnauthorized: options.tlsVerify, minVersion: 'TLSv1.2', ...options.tlsFiles, ...local },
    maxLineLength: MAX_BYTES_BEFORE_LOGIN,
    maxLiteralSize: MAX_BYTES_BEFORE_LOGIN,
    maxResponseSize: MAX_BYTES_BEFORE_LOGIN,
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
  const isTooMuch = (): boolean => client.stats().received > MAX_BYTES_BEFORE_LOGIN;
  const counter = setInterval(() => {
    if (isTooMuch()) client.close();
  }, COUNT_EVERY_MS);
  const isGivenUp = (): boolean => signal?.aborted === true;
  const giveUp = (): void => {
    client.close();
  };
  signal?.addEventListener('abort', giveUp);
  try {
    if (isGivenUp()) client.close();
    await client.connect();
  } catch (error) {
    const isOurEnd = isLate() || isTooMuch() || isGivenUp();
    if (!isOurEnd && isReadyForLogin(client, error)) return handOver(client);
    client.close();
    if (isTooMuch() || TOO_LARGE.has(codeOf(error))) throw tooMuch(error);
    if (isLate()) throw new ProxyError('timeout', { cause: error, ...whatCame(client) });
    if (isGivenUp()) throw new ProxyError('network', { cause: error, detail: 'the proxy is shutting down' });
    throw translate(client, lastError ?? error);
  } finally {
    clearTimeout(timer);
    clearInterval(counter);
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

function tooMuch(cause: unknown): ProxyError {
  const verb = codeOf(cause) === 'LiteralTooLarge' ? 'announces' : 'sends';
  const detail = `the upstream ${verb} more than ${MAX_BYTES_BEFORE_LOGIN / 1024} kB before the login`;
  return new ProxyError('greeting', { cause, detail });
}

/** A server that says the wrong things, or too slowly, is told from one that says nothing. */
function whatCame(client: ImapFlow): { readonly detail?: string } {
  if (client.stats().received === 0) return {};
  return client.greeting === undefined
    ? { detail: 'what the upstream sends is no IMAP greeting' }
    : { detail: 'the upstream greets, and then does not answer' };
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
/** What ImapFlow says of a response that is larger than it was told to take. */
const TOO_LARGE = new Set(['LineTooLarge', 'LiteralTooLarge', 'ResponseTooLarge']);
const TLS_CODE = /^(?:ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH)/;

function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? '';
}

/** ImapFlow's and Node's errors in our words; their texts name hosts and certificates, never credentials. */
function translate(client: ImapFlow, error: unknown): ProxyError {
  const { message = '', tlsFailed } = error as { message?: string; tlsFailed?: boolean };
  const code = codeOf(error);
  const failure =
    tlsFailed === true || TLS_CODE.test(code)
      ? 'tls'
      : (FAILURE_OF_CODE[code] ?? (client.byeReason === undefined ? 'network' : 'greeting'));
  const bye = client.byeReason === undefined ? '' : `; the server said BYE: ${client.byeReason}`;
  return new ProxyError(failure, { cause: error, detail: `${message}${bye}` });
}
