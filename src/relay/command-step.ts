/** Owns the decision what becomes of a command: passed on, answered here, or looked at again later. */

import type { Lease } from '../pool/lease.js';
import { readCommandHead, readTag } from '../wire/command-head.js';
import type { CommandHead } from '../wire/command-head.js';
import type { EnableRequest } from '../wire/enable.js';
import type { LineFramer } from '../wire/line-framer.js';
import { canTakeLiteral } from '../wire/literal-support.js';
import { readCommandLiteral } from '../wire/literal.js';
import type { MarkerResult } from '../wire/literal.js';
import type { CommandPumpHost } from './command-pump-host.js';
import type { Enabling } from './enabling.js';
import { badReply } from './local-replies.js';

export const NO_SUCH_LITERAL = 'No such literal is possible here';

/**
 * - `answer`: the proxy answers it, when everything before it is answered.
 * - `quiet`: it is looked at again then.
 * - `ask`: it is looked at again when there is a lease, on which this is enabled.
 * - `exchange`: it is looked at again when this is enabled for the session.
 * - `pass`: it is passed on.
 */
export type CommandStep =
  | { readonly kind: 'answer'; readonly answer: () => void }
  | { readonly kind: 'quiet' }
  | { readonly kind: 'ask'; readonly head: CommandHead; readonly enable: EnableRequest | undefined }
  | { readonly kind: 'exchange'; readonly enable: EnableRequest }
  | {
      readonly kind: 'pass';
      readonly head: CommandHead;
      readonly lease: Lease;
      readonly marker: MarkerResult;
    };

/** @param framer - has just found the command's first segment */
export function commandStep(framer: LineFramer, host: CommandPumpHost, enabling: Enabling): CommandStep {
  const { buffer, kind, start, end } = framer;
  const isWhole = kind === 'line';
  const head = readCommandHead(buffer, start, isWhole ? end : buffer.length);
  if (head === undefined) {
    const tag = readTag(buffer, start, end);
    return answering(() => {
      host.answer(badReply(tag, 'Command syntax: tag, space, command'));
    });
  }
  if (host.isLocal(head))
    return answering(() => {
      host.onCommand(head.row);
      host.answerLocally(head);
    });
  return (isWhole ? enablingStep(head, framer, host, enabling) : undefined) ?? forwarding(head, framer, host);
}

function answering(answer: () => void): CommandStep {
  return { kind: 'answer', answer };
}

/** What is different about a command that enables something; undefined if nothing is. */
function enablingStep(
  head: CommandHead,
  framer: LineFramer,
  host: CommandPumpHost,
  enabling: Enabling,
): CommandStep | undefined {
  const { lease, isQuiet } = host;
  const step = enabling.next(head, framer, lease, isQuiet);
  switch (step.kind) {
    case 'pass':
      return undefined;
    case 'quiet':
      return { kind: 'quiet' };
    case 'ask':
      return lease === undefined
        ? { kind: 'ask', head, enable: step.request }
        : { kind: 'exchange', enable: step.request };
    case 'answer':
      return answering(() => {
        const { untagged, tagged } = step.reply;
        host.onCommand(head.row);
        host.answer(Buffer.concat([untagged, Buffer.from(head.tag, 'latin1'), tagged]));
      });
  }
}

function forwarding(head: CommandHead, framer: LineFramer, host: CommandPumpHost): CommandStep {
  const { buffer, kind, start, end } = framer;
  const { lease } = host;
  if (lease === undefined) return { kind: 'ask', head, enable: undefined };
  const marker = kind === 'line' ? readCommandLiteral(buffer, start, end) : undefined;
  if (canTakeLiteral(lease.connection.capabilities, head.row, marker))
    return { kind: 'pass', head, lease, marker };
  return answering(() => {
    host.answer(badReply(head.tag, NO_SUCH_LITERAL));
  });
}
