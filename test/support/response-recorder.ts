// Feeds bytes to a response reader and keeps what it forwarded and reported.

import { CommandLedger } from '../../src/wire/command-ledger.js';
import type { OutstandingCommand, SelectedState } from '../../src/wire/command-ledger.js';
import { LineFramer } from '../../src/wire/line-framer.js';
import { ResponseReader } from '../../src/wire/response-reader.js';
import type { ResponseSink } from '../../src/wire/response-reader.js';
import { verbRow } from '../../src/wire/verbs.js';
import { bytesOf } from './chunks.js';

export interface SentCommand {
  readonly tag: string;
  /** @defaultValue 'NOOP' */
  readonly verb?: string;
}

export interface RecordedResponses {
  readonly forwarded: string;
  /** In order: `completed a OK`, `continuation`, `bye`, `enabled`, `capabilities A B`, `desynced`. */
  readonly facts: readonly string[];
  /** The line that came with each completion and BYE. */
  readonly lines: readonly string[];
  readonly completed: readonly OutstandingCommand[];
  readonly isAtBoundary: boolean;
  readonly outstanding: number;
  readonly selected: SelectedState;
}

/** Reads the chunks, one after the other, as the answer to these commands. */
export function recordResponses(
  chunks: readonly (Buffer | string)[],
  sent: readonly SentCommand[] = [],
): RecordedResponses {
  const framer = new LineFramer();
  const ledger = new CommandLedger();
  for (const { tag, verb = 'NOOP' } of sent) ledger.begin(tag, verbRow(verb));
  const reader = new ResponseReader(framer, ledger);
  const facts: string[] = [];
  const lines: string[] = [];
  const completed: OutstandingCommand[] = [];
  const forwarded: Buffer[] = [];
  const sink: ResponseSink = {
    forward: (bytes) => void forwarded.push(Buffer.from(bytes)),
    onCompleted: (command, status, line) => {
      facts.push(`completed ${command.tag} ${status}`);
      lines.push(line.toString('latin1'));
      completed.push(command);
    },
    onContinuation: () => void facts.push('continuation'),
    onBye: (line) => {
      facts.push('bye');
      lines.push(line.toString('latin1'));
    },
    onEnabled: () => void facts.push('enabled'),
    onCapabilities: (capabilities) => void facts.push(['capabilities', ...capabilities.names].join(' ')),
    onNamespace: () => undefined,
    onDesynced: () => void facts.push('desynced'),
  };
  for (const chunk of chunks) {
    // A copy, as each read from a socket has memory of its own.
    framer.push(typeof chunk === 'string' ? bytesOf(chunk) : Buffer.from(chunk));
    reader.read(sink);
  }
  return {
    forwarded: Buffer.concat(forwarded).toString('latin1'),
    facts,
    lines,
    completed,
    isAtBoundary: reader.isAtBoundary,
    outstanding: ledger.size,
    selected: ledger.selected,
  };
}
