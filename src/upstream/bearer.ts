/** Owns how a token is sent to the server: OAUTHBEARER (RFC 7628) or XOAUTH2, and what the server says against it. */

import type { BearerMechanism, Credentials } from '../identity.js';
import type { CapabilitySet } from '../wire/capability.js';

const MECHANISMS = ['OAUTHBEARER', 'XOAUTH2'] as const satisfies readonly BearerMechanism[];

/** The longest error challenge that is passed on; one with a whole scope and a configuration URL has room in it. */
const MAX_CHALLENGE_BYTES = 8_192;

/** The mechanism that the client used, if the server has it, else the other one; undefined if it has none. */
export function bearerMechanism(
  { mechanism = 'OAUTHBEARER' }: Credentials,
  offered: CapabilitySet,
): BearerMechanism | undefined {
  const inOrder = [mechanism, ...MECHANISMS];
  return inOrder.find((name) => offered.has(`AUTH=${name}`));
}

/** The message that carries the token, in Base64. */
export function bearerResponse(
  mechanism: BearerMechanism,
  { authenticationId, secret }: Credentials,
): Buffer {
  const user = authenticationId.toString('latin1');
  const head = mechanism === 'XOAUTH2' ? `user=${user}` : `n,a=${saslname(user)},`;
  const message = Buffer.concat([
    Buffer.from(`${head}\x01auth=Bearer `, 'latin1'),
    secret,
    Buffer.from('\x01\x01'),
  ]);
  const response = Buffer.from(message.toString('base64'), 'latin1');
  message.fill(0);
  return response;
}

/** What the server waits for after its error challenge, before it says NO (RFC 7628 §3.2.3). */
export const ERROR_ANSWER: Readonly<Record<BearerMechanism, string>> = {
  OAUTHBEARER: 'AQ==\r\n',
  XOAUTH2: '\r\n',
};

/**
 * The Base64 of an error challenge, as the server wrote it.
 *
 * @param line - the continuation
 * @returns undefined if it is none that a client could read
 */
export function readErrorChallenge(line: Buffer): string | undefined {
  return line.length > MAX_CHALLENGE_BYTES
    ? undefined
    : /^\+ ([A-Za-z0-9+/]+={0,2})\r?\n$/.exec(line.toString('latin1'))?.[1];
}

/** A user name as it stands in a gs2 header (RFC 5801 §4). */
function saslname(user: string): string {
  return user.replaceAll('=', '=3D').replaceAll(',', '=2C');
}
