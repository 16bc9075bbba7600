/** Owns the words identity, credentials and presenter: who an upstream connection acts as, how that was proven, and by whom. */

/**
 * What a client presented. All fields are raw bytes: a user name or password need not be UTF-8.
 * The session that parsed it owns it and calls {@link wipeCredentials} when it is no longer needed.
 */
export interface Credentials {
  /** The same bytes as a password and as a token are two different credentials. */
  readonly kind: 'password' | 'token';
  /** Authentication identity: whose secret it is (RFC 4616 §2 authcid). */
  readonly authenticationId: Buffer;
  /** Authorization identity: whom to act as; empty means the same (RFC 4616 §2 authzid). */
  readonly authorizationId: Buffer;
  readonly secret: Buffer;
  /** How a token was presented; says nothing about whose it is. */
  readonly mechanism?: BearerMechanism;
}

/** The SASL mechanisms that carry a token (RFC 7628). */
export type BearerMechanism = 'OAUTHBEARER' | 'XOAUTH2';

/** Who presents credentials. */
export interface Presenter {
  /** The client's address; undefined by a Unix socket. */
  readonly address: string | undefined;
  /** Whether this session has presented wrong credentials before. */
  readonly hasFailed: boolean;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
}

/** By what credentials were found to be right; `cached`: no upstream was asked. */
export type LoginOutcome = 'cached' | 'upstream';

/** Who an upstream connection acts as; decoded bytes, never lower-cased or trimmed. */
export interface Identity {
  /** Equal keys are equal identities: length-prefixed, so no two different ones share a key. */
  readonly key: string;
  /** The login name for the log: printable, quoted bytes escaped. Never a secret. */
  readonly name: string;
  /** What stands behind the last `@` of the login name; empty if nothing does. */
  readonly domain: string;
}

/**
 * The identity that credentials claim at an upstream.
 *
 * @param upstream - the upstream's host:port as configured
 */
export function identityOf(upstream: string, credentials: Credentials): Identity {
  const { authenticationId, authorizationId } = credentials;
  const name = loginName(credentials);
  const key = [Buffer.from(upstream), authenticationId, authorizationId]
    .map((field) => `${String(field.length)}:${field.toString('latin1')}`)
    .join('');
  return {
    key,
    name: authorizationId.length === 0 ? name : `${printable(authorizationId)} (by ${name})`,
    domain: name.includes('@') ? name.slice(name.lastIndexOf('@') + 1) : '',
  };
}

/**
 * One form for those who act as themselves: many clients name the user in both places of PLAIN, and are nobody else for it.
 * A server that offers only LOGIN has no second place.
 *
 * @returns with the same secret, which is wiped for both
 */
export function inOneForm(credentials: Credentials): Credentials {
  const { authenticationId, authorizationId } = credentials;
  return authorizationId.equals(authenticationId)
    ? { ...credentials, authorizationId: Buffer.alloc(0) }
    : credentials;
}

/** The name that was presented, for the log: whoever it is, nothing is proven by it. */
export function loginName(credentials: Credentials): string {
  return printable(credentials.authenticationId);
}

/** Overwrites the secret. Safe to call twice. */
export function wipeCredentials(credentials: Credentials): void {
  credentials.secret.fill(0);
}

/** Names are attacker-chosen before the login: no control byte may reach a log line. */
function printable(bytes: Buffer): string {
  return bytes.toString('utf8').replace(/[\p{C}\ufffd"]/gu, '?');
}
