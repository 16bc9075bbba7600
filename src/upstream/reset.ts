/** Owns the proof that a used connection is clean again: what still runs ends, then a barrier (RFC 3691). */

import { INDIFFERENT } from './connection.js';
import type { Leaving, UpstreamConnection } from './connection.js';
import { randomTag } from './random-tag.js';
import type { OutstandingCommand } from '../wire/command-ledger.js';
import type { TaggedStatus } from '../wire/response-head.js';
import { verbRow } from '../wire/verbs.js';

/** `clean` is the only outcome after which the connection may be given to another client. */
export type ResetOutcome = 'clean' | 'timeout' | 'refused' | 'desynced' | 'lost';

/**
 * Brings a connection back to the authenticated state with nothing outstanding, throwing away whatever still comes
 * for the client that left. Takes the connection from its user; on `clean` nobody uses it. Never rejects.
 *
 * @param timeoutMs - for all of it together
 */
export function resetConnection(
  connection: UpstreamConnection,
  leaving: Leaving,
  timeoutMs: number,
): Promise<ResetOutcome> {
  if (connection.isOver) return Promise.resolve('lost');
  return new Promise((resolve) => {
    let barrier: Barrier | undefined;
    let idle = leaving.idle;
    const timer = setTimeout(() => {
      settle('timeout');
    }, timeoutMs);
    const settle = (outcome: ResetOutcome): void => {
      clearTimeout(timer);
      connection.detach();
      resolve(outcome);
    };
    const advance = (): void => {
      if (idle?.isAccepted === true) {
        connection.write('DONE\r\n');
        idle = undefined;
      }
      if (barrier === undefined && connection.ledger.size === 0) barrier = sendBarrier(connection);
    };
    connection.attach({
      ...INDIFFERENT,
      onContinuation: () => {
        if (idle === undefined) settle('desynced');
        else idle = { ...idle, isAccepted: true };
      },
      onCompleted: (command, status) => {
        if (command === idle?.command) idle = undefined;
        if (command === barrier?.command) settle(barrier.isPassed(status) ? 'clean' : 'refused');
      },
      onEnabled: () => {
        settle('desynced');
      },
      onDesynced: () => {
        settle('desynced');
      },
      onReadDone: advance,
      onClosed: () => {
        settle('lost');
      },
    });
    connection.resume();
    advance();
  });
}

interface Barrier {
  readonly command: OutstandingCommand;
  isPassed(status: TaggedStatus): boolean;
}

/** Sent when every command is answered, so whatever comes before its own answer belongs to the client that left. */
function sendBarrier(connection: UpstreamConnection): Barrier {
  const tag = randomTag();
  const { selected } = connection.ledger;
  const send = (verb: string, text: string, isPassed: Barrier['isPassed']): Barrier => {
    const command = connection.begin(tag, verbRow(verb));
    connection.write(`${tag} ${text}\r\n`);
    return { command, isPassed };
  };
  if (selected === 'no') return send('NOOP', 'NOOP', (status) => status === 'OK');
  // UNSELECT with nothing selected is BAD (RFC 3691 §2), and servers count BADs: it is sent only when it is due.
  if (selected === 'yes' && connection.capabilities.has('UNSELECT'))
    return send('UNSELECT', 'UNSELECT', (status) => status === 'OK');
  // A failed EXAMINE deselects; CLOSE would expunge. OK would mean that the random name exists: selected again.
  return send('EXAMINE', `EXAMINE "${randomTag()}"`, (status) => status === 'NO');
}
