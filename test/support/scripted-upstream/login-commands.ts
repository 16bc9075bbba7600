// How the scripted server logs users in: LOGIN and AUTHENTICATE (RFC 9051 §6.2, RFC 4959, RFC 7628).

import { type ParsedCommand, readStrings } from './command.js';
import type { UpstreamConnection } from './connection.js';

/** One set of credentials that a client presented. */
export interface LoginAttempt {
  readonly connection: UpstreamConnection;
  /** LOGIN, or the SASL mechanism. */
  readonly mechanism: string;
  readonly user: string;
  /** Empty if the mechanism has none or the client sent none. */
  readonly authorizationUser: string;
  readonly secret: Buffer;
  readonly isAccepted: boolean;
}

/** What a client presented, before it is judged. */
export type Credentials = Omit<LoginAttempt, 'connection' | 'isAccepted'>;

/** LOGIN's arguments, or undefined if they aren't two strings. */
export function credentialsOfLogin(command: ParsedCommand): Credentials | undefined {
  const [user, secret, ...rest] = readStrings(command.args);
  if (user === undefined || secret === undefined || rest.length > 0) return undefined;
  return { mechanism: 'LOGIN', user: user.toString(), authorizationUser: '', secret };
}

/** Runs the exchange of AUTHENTICATE; undefined if it was cancelled or made no sense. */
export async function credentialsOfAuthenticate(
  command: ParsedCommand,
  connection: UpstreamConnection,
): Promise<Credentials | undefined> {
  const [name = '', initial] = command.args.split(' ');
  const mechanism = name.toUpperCase();
  const ask = async (challenge: string): Promise<Buffer> => {
    connection.send(`+ ${Buffer.from(challenge).toString('base64')}\r\n`);
    return decode(await connection.readLine());
  };
  const first = initial === undefined ? undefined : initial === '=' ? Buffer.alloc(0) : decode(initial);
  switch (mechanism) {
    case 'PLAIN':
      return plain(first ?? (await ask('')));
    case 'LOGIN': {
      const user = first ?? (await ask('Username:'));
      return { mechanism, user: user.toString(), authorizationUser: '', secret: await ask('Password:') };
    }
    case 'XOAUTH2':
    case 'OAUTHBEARER':
      return bearer(mechanism, first ?? (await ask('')));
    default:
      return undefined;
  }
}

function decode(line: string): Buffer {
  return line === '*' ? Buffer.from('*') : Buffer.from(line, 'base64');
}

function plain(message: Buffer): Credentials | undefined {
  const first = message.indexOf(0);
  const second = message.indexOf(0, first + 1);
  if (first === -1 || second === -1) return undefined;
  return {
    mechanism: 'PLAIN',
    authorizationUser: message.subarray(0, first).toString(),
    user: message.subarray(first + 1, second).toString(),
    secret: message.subarray(second + 1),
  };
}

function bearer(mechanism: string, message: Buffer): Credentials | undefined {
  const text = message.toString();
  const token = /\x01auth=Bearer ([^\x01]*)\x01/.exec(text)?.[1];
  const escaped = (mechanism === 'XOAUTH2' ? /^user=([^\x01]*)\x01/ : /^n,a=([^,]*),/).exec(text)?.[1];
  if (token === undefined || escaped === undefined) return undefined;
  const user = mechanism === 'XOAUTH2' ? escaped : escaped.replaceAll('=2C', ',').replaceAll('=3D', '=');
  return { mechanism, user, authorizationUser: '', secret: Buffer.from(token) };
}
