/**
 * Owns the SASL mechanisms that clients may use, with and without SASL-IR (RFC 4959): PLAIN (RFC 4616) and LOGIN, and those for
 * tokens.
 */

import type { Credentials } from '../identity.js';
import { oauthbearer, xoauth2 } from './sasl-bearer.js';
import { hasForbiddenByte, malformed } from './sasl-mechanism.js';
import type { SaslEnd, SaslMechanism } from './sasl-mechanism.js';

const NUL = 0;

const plain: SaslMechanism = {
  firstChallenge: '',
  begin: () => (message) => {
    const first = message.indexOf(NUL);
    const second = message.indexOf(NUL, first + 1);
    if (first === -1 || second === -1)
      return malformed('PLAIN needs two NULs: authzid NUL authcid NUL password');
    return passwordStep({
      authorizationId: Buffer.from(message.subarray(0, first)),
      authenticationId: Buffer.from(message.subarray(first + 1, second)),
      secret: Buffer.from(message.subarray(second + 1)),
    });
  },
};

const login: SaslMechanism = {
  firstChallenge: Buffer.from('Username:').toString('base64'),
  begin: () => {
    let user: Buffer | undefined;
    return (response) => {
      if (user !== undefined)
        return passwordStep({ authorizationId: Buffer.alloc(0), authenticationId: user, secret: response });
      user = response;
      return { kind: 'challenge', text: Buffer.from('Password:').toString('base64') };
    };
  },
};

/** By name in upper case; the names are also what is advertised. */
export const SASL_MECHANISMS: ReadonlyMap<string, SaslMechanism> = new Map([
  ['PLAIN', plain],
  ['LOGIN', login],
  ['OAUTHBEARER', oauthbearer],
  ['XOAUTH2', xoauth2],
]);

/**
 * Password credentials, unless a name could do harm on its way to the upstream or into a log.
 *
 * @param fields - taken over by the credentials
 */
export function passwordStep(fields: Omit<Credentials, 'kind'>): SaslEnd {
  const { authenticationId, authorizationId, secret } = fields;
  if (authenticationId.length === 0) return malformed('The user name is empty');
  if ([authenticationId, authorizationId].some(hasForbiddenByte))
    return malformed('The user name has a NUL, SOH, CR or LF in it');
  if (secret.includes(NUL)) return malformed('The password has a NUL in it');
  return { kind: 'credentials', credentials: { kind: 'password', ...fields } };
}

/** Strict base64 (RFC 4648 §4); undefined if it isn't that. `=` alone is the empty response (RFC 4959 §3). */
export function decodeBase64(text: string): Buffer | undefined {
  if (text === '=') return Buffer.alloc(0);
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return undefined;
  return Buffer.from(text, 'base64');
}
