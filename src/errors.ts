/** Owns the one error type of the proxy and the table that turns each error code into an IMAP reply. */

/** Why no upstream connection could be made; the same strings are the `reason` label of connect failures. */
export type ConnectFailure =
  | 'ephemeral_ports'
  | 'refused'
  | 'timeout'
  | 'dns'
  | 'tls'
  | 'greeting'
  | 'credentials'
  | 'limit'
  | 'throttled'
  | 'network';

/** Why a lease was not granted; the same strings are the `reason` label of lease rejections. */
export type LeaseRejection = 'lease_timeout' | 'queue_full' | 'draining' | 'backoff' | 'pressure';

export type ErrorCode =
  ConnectFailure | LeaseRejection | 'mechanism' | 'upstream_lost' | 'upstream_protocol' | 'cancelled';

/** Whose fault it is: decides the log level, and whether an alert should count it. */
export type Blame = 'client' | 'upstream' | 'proxy';

/** A reply that the proxy gives for an error: `NO`, or `BYE` where the session can't go on. */
export interface Refusal {
  readonly status: 'NO' | 'BYE';
  /** Response code without brackets (RFC 5530 §3, RFC 9051 §7.1). */
  readonly responseCode: string;
  readonly text: string;
}

interface ErrorRow {
  readonly blame: Blame;
  /** Whether the same request may succeed when it is made again later. */
  readonly isRetryable: boolean;
  readonly refusal: Refusal;
}

const unavailable = (text: string): Refusal => ({ status: 'NO', responseCode: 'UNAVAILABLE', text });

/** One row per error code; a test walks all of them. */
export const ERRORS: Readonly<Record<ErrorCode, ErrorRow>> = Object.freeze({
  ephemeral_ports: row('proxy', true, unavailable('No free port towards the mail server; try again later')),
  refused: row('upstream', true, unavailable('The mail server refuses connections; try again later')),
  timeout: row('upstream', true, unavailable('The mail server did not answer in time; try again later')),
  dns: row('upstream', true, unavailable('The name of the mail server does not resolve; try again later')),
  tls: row('upstream', true, unavailable('No secure connection to the mail server; try again later')),
  greeting: row('upstream', true, unavailable('The mail server does not accept logins; try again later')),
  credentials: row('client', false, {
    status: 'NO',
    responseCode: 'AUTHENTICATIONFAILED',
    text: 'Authentication failed',
  }),
  mechanism: row('client', false, {
    status: 'NO',
    responseCode: 'CANNOT',
    text: 'The mail server takes no tokens: it offers neither OAUTHBEARER nor XOAUTH2',
  }),
  limit: row('upstream', true, unavailable('The mail server is busy; try again later')),
  throttled: row(
    'proxy',
    true,
    unavailable('Too many connections to the mail server are being opened; try again later'),
  ),
  network: row('upstream', true, unavailable('The mail server can not be reached; try again later')),
  lease_timeout: row(
    'proxy',
    true,
    unavailable('No upstream connection became free in time; try again later'),
  ),
  queue_full: row('proxy', true, unavailable('Too many clients are waiting; try again later')),
  draining: row('proxy', true, unavailable('The proxy is shutting down; try again later')),
  pressure: row(
    'proxy',
    true,
    unavailable('Ports towards the mail server are running short; try again later'),
  ),
  backoff: row('upstream', true, unavailable('The mail server is busy; try again later')),
  upstream_lost: row('upstream', true, {
    status: 'BYE',
    responseCode: 'UNAVAILABLE',
    text: 'The connection to the mail server was lost',
  }),
  upstream_protocol: row('upstream', true, {
    status: 'BYE',
    responseCode: 'UNAVAILABLE',
    text: 'The mail server gave an answer that can not be relayed safely',
  }),
  cancelled: row('client', true, unavailable('The client went away')),
});

function row(blame: Blame, isRetryable: boolean, refusal: Refusal): ErrorRow {
  return Object.freeze({ blame, isRetryable, refusal: Object.freeze(refusal) });
}

/** What the upstream itself answered, to be passed on in its own words. */
export interface UpstreamRefusal {
  /** Response code without brackets, if the upstream gave one. */
  readonly responseCode: string | undefined;
  readonly text: string;
  /** What it said against a token before its NO, in Base64 as it was (RFC 7628 §3.2.2); for that token's client alone. */
  readonly challenge?: string;
}

export interface ProxyErrorOptions {
  readonly cause?: unknown;
  /** The upstream’s own tagged NO; the login has taken the secret out of it, if the server quoted it. */
  readonly upstreamRefusal?: UpstreamRefusal;
  /** What happened, for the log; never a secret. */
  readonly detail?: string;
  /** Whether the upstream is too busy for this identity, and is better left alone for a while; `limit` says so, too. */
  readonly isBusy?: boolean;
}

/** The only error that crosses folders. Third-party errors are translated where their package is imported. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
  readonly code: ErrorCode;
  readonly upstreamRefusal: UpstreamRefusal | undefined;
  readonly isBusy: boolean;

  constructor(code: ErrorCode, options: ProxyErrorOptions = {}) {
    super(options.detail ?? ERRORS[code].refusal.text, { cause: options.cause });
    this.code = code;
    this.upstreamRefusal = options.upstreamRefusal;
    this.isBusy = options.isBusy ?? code === 'limit';
  }

  get blame(): Blame {
    return ERRORS[this.code].blame;
  }

  get isRetryable(): boolean {
    return ERRORS[this.code].isRetryable;
  }

  /** The reply for the client: the upstream's own code and text where it gave them. */
  get refusal(): Refusal {
    const own = ERRORS[this.code].refusal;
    const theirs = this.upstreamRefusal;
    if (theirs === undefined) return own;
    return { status: own.status, responseCode: theirs.responseCode ?? '', text: theirs.text };
  }
}

/** Turns whatever was thrown into a {@link ProxyError}, so that one mapping serves all. */
export function asProxyError(error: unknown, fallback: ErrorCode = 'network'): ProxyError {
  return error instanceof ProxyError ? error : new ProxyError(fallback, { cause: error });
}
