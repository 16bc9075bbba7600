/** Owns what the doctor says on one upstream connection: dialing it, timing NOOPs, and leaving in good order. */

import { ProxyError, asProxyError } from '../errors.js';
import { FramedSocket } from '../net/framed-socket.js';
import type { FaultReporter } from '../net/framed-socket.js';
import { INDIFFERENT, UpstreamConnection } from '../upstream/connection.js';
import { dial } from '../upstream/dial.js';
import type { DialOptions, DialedSocket } from '../upstream/dial.js';
import { randomTag } from '../upstream/random-tag.js';
import { LineFramer } from '../wire/line-framer.js';
import { verbRow } from '../wire/verbs.js';

/** A connection that greeted with OK and has no user yet. Its owner must call `leave`. */
export interface Conversation extends DialedSocket {
  readonly connection: UpstreamConnection;
}

/**
 * @param reportFault - takes a defect of our own, which ends the connection
 * @throws ProxyError, as `dial`
 */
export async function converse(options: DialOptions, reportFault: FaultReporter): Promise<Conversation> {
  const dialed = await dial(options);
  const socket = new FramedSocket(dialed.socket, new LineFramer(), reportFault);
  return { ...dialed, connection: new UpstreamConnection(1, socket) };
}

/** LOGOUT, then the server closes first: so no port is left in TIME_WAIT here. Never rejects; safe to call twice. */
export async function leave({ connection }: Conversation): Promise<void> {
  connection.close('drain');
  await connection.gone;
}

/**
 * Sends NOOPs one after the other.
 *
 * @returns the median of their round-trip times in milliseconds
 * @throws ProxyError `timeout`, or `network` if the server hangs up
 */
export async function medianRoundTripMs(
  connection: UpstreamConnection,
  count: number,
  timeoutMs: number,
  now: () => number,
): Promise<number> {
  const times: number[] = [];
  for (let at = 0; at < count; at += 1) {
    const startedAt = now();
    await noop(connection, timeoutMs);
    times.push(now() - startedAt);
  }
  times.sort((a, b) => a - b);
  return times[Math.floor(count / 2)] ?? 0;
}

/** Any tagged answer is one: NOOP is allowed before the login, but the time is all that is asked for. */
function noop(connection: UpstreamConnection, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: ProxyError): void => {
      clearTimeout(timer);
      connection.detach();
      if (error === undefined) resolve();
      else reject(error);
    };
    const timer = setTimeout(() => {
      settle(new ProxyError('timeout', { detail: 'NOOP is not answered' }));
    }, timeoutMs);
    connection.attach({
      ...INDIFFERENT,
      onCompleted: () => {
        settle();
      },
      onDesynced: (reason) => {
        settle(new ProxyError('greeting', { detail: `NOOP is answered with ${reason}` }));
      },
      onClosed: () => {
        settle(new ProxyError('network', { detail: 'the server hangs up when it gets NOOP' }));
      },
    });
    const tag = randomTag();
    connection.begin(tag, verbRow('NOOP'));
    connection.write(`${tag} NOOP\r\n`);
  });
}

/** Runs something that may fail with a {@link ProxyError}, and gives that back instead of throwing it. */
export async function attempt<T>(action: () => Promise<T>): Promise<T | ProxyError> {
  try {
    return await action();
  } catch (error) {
    return asProxyError(error);
  }
}

/** Like {@link attempt}, for something that gives nothing back. */
export async function failureOf(action: () => Promise<void>): Promise<ProxyError | undefined> {
  try {
    await action();
    return undefined;
  } catch (error) {
    return asProxyError(error);
  }
}
