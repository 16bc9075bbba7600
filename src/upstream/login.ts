/** Owns the login on a fresh upstream connection: one flight, byte-exact (RFC 9051 §6.2.2, §6.2.3; RFC 4616). */

import { ProxyError } from '../errors.js';
import type { Credentials } from '../identity.js';
import { readCapabilities } from '../wire/capability.js';
import type { CapabilitySet } from '../wire/capability.js';
import { readResponseCode } from '../wire/response-code.js';
import type { TaggedStatus } from '../wire/response-head.js';
import { quotable, quoted } from '../wire/string-encoder.js';
import { verbRow } from '../wire/verbs.js';
import { ERROR_ANSWER, bearerMechanism, bearerResponse, readErrorChallenge } from './bearer.js';
import { INDIFFERENT } from './connection.js';
import type { UpstreamConnection } from './connection.js';
import { withoutSecret } from './quoted-secret.js';
import { randomTag } from './random-tag.js';

/** A tagged NO means a wrong password only without a code or with one of these (RFC 5530 §3). */
const WRONG_CREDENTIALS = new Set(['', 'AUTHENTICATIONFAILED', 'AUTHORIZATIONFAILED', 'EXPIRED']);

/**
 * Logs in, and leaves the connection to nobody, with its capabilities as of after the login.
 *
 * @param offered - the capabilities before login, which decide how the credentials are sent
 * @param timeoutMs - for the login alone; slow refusals are how servers slow down guessers
 * @throws ProxyError `credentials` if they are wrong, `limit` if the server is busy or has other reasons, `timeout`,
 *   `network`, `greeting` if no way to log in is offered, `mechanism` if none for tokens is; the caller then destroys the connection
 */
export async function logIn(
  connection: UpstreamConnection,
  credentials: Credentials,
  offered: CapabilitySet,
  timeoutMs: number,
): Promise<void> {
  const attempt = loginAttempt(credentials, offered);
  // The session may overwrite its own when its client leaves, and the server may quote them after that.
  const sent: Credentials = { ...credentials, secret: Buffer.from(credentials.secret) };
  const clean: Clean = (words) => withoutSecret(words, sent);
  try {
    const reply = await exchange(connection, attempt, clean, timeoutMs);
    if (reply.status !== 'OK') throw refusal(reply, clean);
    if (readCapabilities(reply.line) === undefined)
      await exchange(connection, { flights: ['CAPABILITY'] }, clean, timeoutMs);
    if (!connection.isUsable)
      throw new ProxyError('limit', { detail: 'the upstream closed right after the login' });
  } finally {
    for (const flight of attempt.flights) if (typeof flight !== 'string') flight.fill(0);
    sent.secret.fill(0);
  }
}

/** How credentials are sent; `plain-at-once` has them in the command (RFC 4959). */
export type LoginWay = 'plain-at-once' | 'plain' | 'login';

/**
 * @param offered - the capabilities before login
 * @returns undefined if there is no way
 */
export function loginWay(offered: CapabilitySet): LoginWay | undefined {
  if (offered.has('AUTH=PLAIN')) return offered.has('SASL-IR') ? 'plain-at-once' : 'plain';
  return offered.has('LOGINDISABLED') ? undefined : 'login';
}

type Flight = string | Buffer;

interface Attempt {
  /** The command's text behind its tag, then an answer for each continuation that the server asks for. */
  readonly flights: readonly Flight[];
  /** What to answer if it then says what is wrong, before it says NO. */
  readonly errorAnswer?: string;
}

function loginAttempt(credentials: Credentials, offered: CapabilitySet): Attempt {
  return credentials.kind === 'token'
    ? bearerAttempt(credentials, offered)
    : { flights: passwordFlights(credentials, offered) };
}

function bearerAttempt(credentials: Credentials, offered: CapabilitySet): Attempt {
  const mechanism = bearerMechanism(credentials, offered);
  if (mechanism === undefined) throw new ProxyError('mechanism');
  const [command, response] = [`AUTHENTICATE ${mechanism}`, bearerResponse(mechanism, credentials)];
  const flights = offered.has('SASL-IR')
    ? [wrapped(`${command} `, response)]
    : [command, wrapped('', response, '\r\n')];
  return { flights, errorAnswer: ERROR_ANSWER[mechanism] };
}

function passwordFlights(credentials: Credentials, offered: CapabilitySet): Flight[] {
  const way = loginWay(offered);
  // LOGIN has no word for somebody else to act as.
  if (way === undefined || (way === 'login' && credentials.authorizationId.length > 0))
    throw new ProxyError('greeting', { detail: 'the upstream offers no mechanism for these credentials' });
  switch (way) {
    case 'plain-at-once':
      return [wrapped('AUTHENTICATE PLAIN ', plainResponse(credentials))];
    case 'plain':
      return ['AUTHENTICATE PLAIN', wrapped('', plainResponse(credentials), '\r\n')];
    case 'login':
      return loginCommand(credentials);
  }
}

/** The message of RFC 4616 §2 in Base64. */
function plainResponse({ authenticationId, authorizationId, secret }: Credentials): Buffer {
  const nul = Buffer.alloc(1);
  const message = Buffer.concat([authorizationId, nul, authenticationId, nul, secret]);
  const response = Buffer.from(message.toString('base64'), 'latin1');
  message.fill(0);
  return response;
}

function loginCommand({ authenticationId: user, secret: password }: Credentials): Flight[] {
  if (quotable(user) && quotable(password))
    return [wrapped(joined('LOGIN ', quoted(user), ' '), quoted(password))];
  return [
    `LOGIN {${String(user.length)}}`,
    joined(user, ` {${String(password.length)}}\r\n`),
    joined(password, '\r\n'),
  ];
}

/** Joins, and overwrites the copy of the secret that went in. */
function wrapped(before: Flight, copy: Buffer, after = ''): Buffer {
  const whole = joined(before, copy, after);
  copy.fill(0);
  return whole;
}

function joined(...parts: Flight[]): Buffer {
  const buffers = parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part));
  return Buffer.concat(buffers);
}

/** Takes the secret out of a server's words, which go into the log, to the client, and into the cache of refusals. */
type Clean = (words: string) => string;

interface Reply {
  readonly status: TaggedStatus;
  /** As the server sent it, as latin1. */
  readonly line: string;
  /** As in {@link UpstreamRefusal}. */
  readonly challenge: string | undefined;
}

/** Runs one command to its tagged reply. */
function exchange(
  connection: UpstreamConnection,
  { flights: [text = '', ...answers], errorAnswer }: Attempt,
  clean: Clean,
  timeoutMs: number,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const tag = randomTag();
    const command = joined(`${tag} `, text, '\r\n');
    const remaining = [...answers];
    let bye = '';
    let challenge: string | undefined;
    let canFail = errorAnswer !== undefined;
    const timer = setTimeout(() => {
      fail(
        new ProxyError('timeout', { detail: 'the upstream did not answer the login in time', isBusy: true }),
      );
    }, timeoutMs);
    const done = (): void => {
      clearTimeout(timer);
      connection.detach();
      command.fill(0);
    };
    const fail = (error: ProxyError): void => {
      done();
      reject(error);
    };
    connection.attach({
      ...INDIFFERENT,
      onContinuation: (line) => {
        const next = remaining.shift();
        if (next !== undefined) {
          connection.write(next);
        } else if (errorAnswer !== undefined && canFail) {
          canFail = false;
          challenge = readErrorChallenge(line);
          connection.write(errorAnswer);
        } else {
          fail(new ProxyError('greeting', { detail: 'the upstream asks for more than the mechanism has' }));
        }
      },
      onCompleted: (_command, status, line) => {
        done();
        resolve({ status, line: line.toString('latin1'), challenge });
      },
      onBye: (line) => (bye = clean(line.toString('latin1').trim())),
      onDesynced: (reason) => {
        fail(new ProxyError('greeting', { detail: `the upstream answers the login with ${reason}` }));
      },
      onClosed: () => {
        fail(
          bye === ''
            ? new ProxyError('network', { detail: 'the upstream closed the connection during the login' })
            : new ProxyError('limit', { detail: `the upstream said ${bye} to the login` }),
        );
      },
    });
    connection.begin(tag, verbRow('LOGIN'));
    connection.write(command);
  });
}

function refusal({ status, line, challenge }: Reply, clean: Clean): ProxyError {
  const { code, text } = readResponseCode(clean(line));
  if (status === 'BAD')
    return new ProxyError('limit', { detail: `the upstream answers BAD to the login: ${text}` });
  const upstreamRefusal = {
    responseCode: code === '' ? undefined : code,
    text,
    ...(challenge === undefined ? {} : { challenge }),
  };
  // By the server's own words: what is hidden in them must not change what they mean.
  const isWrong = WRONG_CREDENTIALS.has(readResponseCode(line).code.split(' ')[0]?.toUpperCase() ?? '');
  return new ProxyError(isWrong ? 'credentials' : 'limit', {
    upstreamRefusal,
    detail: `the upstream says NO: ${text}`,
  });
}
