/** Owns the enabling of extensions on a connection that nobody uses, and the server's words about it (RFC 5161). */

import { filterCapabilityLine } from '../wire/capability.js';
import type { EnableReply } from '../wire/enable.js';
import { verbRow } from '../wire/verbs.js';
import { INDIFFERENT } from './connection.js';
import type { UpstreamConnection } from './connection.js';
import { randomTag } from './random-tag.js';

/** A reply is remembered for others, so it must not be long. */
const MAX_REPLY_BYTES = 4_096;

/**
 * Takes the connection from its user, and leaves it to nobody. Never rejects.
 *
 * @param request - the arguments of ENABLE
 * @returns undefined unless the server said OK in time: what is enabled then isn't known
 */
export function enable(
  connection: UpstreamConnection,
  request: string,
  timeoutMs: number,
): Promise<EnableReply | undefined> {
  if (!connection.isUsable) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const untagged: Buffer[] = [];
    let bytes = 0;
    const tag = randomTag();
    const settle = (reply: EnableReply | undefined): void => {
      clearTimeout(timer);
      connection.detach();
      resolve(reply);
    };
    const timer = setTimeout(() => {
      settle(undefined);
    }, timeoutMs);
    const fail = (): void => {
      settle(undefined);
    };
    connection.attach({
      ...INDIFFERENT,
      onEnabled: (line) => {
        bytes += line.length;
        if (bytes > MAX_REPLY_BYTES) fail();
        else untagged.push(Buffer.from(line));
      },
      onCompleted: (_command, status, line) => {
        if (status === 'OK' && line.length <= MAX_REPLY_BYTES)
          settle({
            untagged: Buffer.concat(untagged),
            tagged: filterCapabilityLine(Buffer.from(line)).subarray(tag.length),
          });
        else fail();
      },
      onContinuation: fail,
      onBye: fail,
      onDesynced: fail,
      onClosed: fail,
    });
    connection.begin(tag, verbRow('ENABLE'));
    connection.write(`${tag} ENABLE ${request}\r\n`);
  });
}
