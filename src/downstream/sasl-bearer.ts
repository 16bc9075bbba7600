/** Owns the reading of bearer tokens: OAUTHBEARER (RFC 7628 §3.1) and XOAUTH2, its older form. */

import type { BearerMechanism, Credentials } from '../identity.js';
import { hasForbiddenByte, malformed } from './sasl-mechanism.js';
import type { SaslEnd, SaslMechanism } from './sasl-mechanism.js';

/** All of these are read as latin1, so that no byte is lost. */
const XOAUTH2 = /^user=([^\x01]*)\x01auth=(bearer [^\x01]*)\x01\x01$/i;
/** gs2-header kvsep *kvpair kvsep; there is no channel to bind to, which `y` says as well as `n`. */
const OAUTHBEARER = /^[ny],(?:a=([^,\x01]*))?,\x01((?:[a-z]+=[^\x01]*\x01)*)\x01$/i;
const BEARER = /^bearer +([^\x01]*)$/i;

export const xoauth2: SaslMechanism = {
  firstChallenge: '',
  begin: () => (message) => {
    const [, user, auth] = XOAUTH2.exec(message.toString('latin1')) ?? [];
    if (user === undefined || auth === undefined)
      return malformed(
        'XOAUTH2 needs user=NAME and auth=Bearer TOKEN, with a SOH behind each, and another one',
      );
    return tokenStep('XOAUTH2', user, auth);
  },
};

export const oauthbearer: SaslMechanism = {
  firstChallenge: '',
  begin: () => (message) => {
    const [, name, pairs] = OAUTHBEARER.exec(message.toString('latin1')) ?? [];
    if (pairs === undefined)
      return malformed(
        'OAUTHBEARER needs n,a=NAME, and auth=Bearer TOKEN, with a SOH behind each, and another one',
      );
    const user = unescaped(name ?? '');
    if (user === undefined) return malformed('In the user name = must be =3D and , must be =2C');
    const auths = pairs.split('\x01').filter((pair) => /^auth=/i.test(pair));
    // Two of them could be read in two ways.
    if (auths.length !== 1) return malformed('OAUTHBEARER needs exactly one auth=');
    return tokenStep('OAUTHBEARER', user, auths.join('').slice('auth='.length));
  },
};

/** Token credentials, unless one of the fields could be read as more than one on its way to the upstream. */
function tokenStep(mechanism: BearerMechanism, user: string, auth: string): SaslEnd {
  const token = BEARER.exec(auth)?.[1] ?? '';
  if (user === '') return malformed('The user name is empty');
  if (token === '') return malformed('The token is empty, or of another type than Bearer');
  const credentials: Credentials = {
    kind: 'token',
    mechanism,
    authenticationId: Buffer.from(user, 'latin1'),
    authorizationId: Buffer.alloc(0),
    secret: Buffer.from(token, 'latin1'),
  };
  if (hasForbiddenByte(credentials.authenticationId))
    return malformed('The user name has a NUL, SOH, CR or LF in it');
  if (hasForbiddenByte(credentials.secret)) return malformed('The token has a NUL, SOH, CR or LF in it');
  return { kind: 'credentials', credentials };
}

/** A saslname's text (RFC 5801 §4); undefined if something else than `=2C` and `=3D` begins with `=`. */
function unescaped(saslname: string): string | undefined {
  if (/=(?!2C|3D)/.test(saslname)) return undefined;
  return saslname.replaceAll('=2C', ',').replaceAll('=3D', '=');
}
