/** Owns the commands that a connection has not answered yet: a multiset of tags (RFC 9051 §5.5). */

import type { TaggedStatus } from './response-head.js';
import type { VerbRow } from './verbs.js';

/** Whether a mailbox is selected; `unknown` when a reply, or the lack of one, leaves it open. */
export type SelectedState = 'no' | 'yes' | 'unknown';

/** How many answered commands of one tag are kept before their places are given back. */
const COMPACT_AFTER = 1_024;

/** One command that was sent; compared by identity, since tags need not be unique. */
export interface OutstandingCommand {
  readonly tag: string;
  readonly row: VerbRow;
  /** Another command with the same tag is outstanding, too: which reply is whose can't be known. */
  hasTwin: boolean;
}

/**
 * A client may use one tag for several commands at once, and servers may answer out of order, so tags are counted
 * and not compared with the last one sent.
 */
export class CommandLedger {
  readonly #byTag = new Map<string, TagQueue>();
  #size = 0;
  #selecting = 0;
  #selected: SelectedState = 'no';

  /** Number of commands that no tagged reply has completed. */
  get size(): number {
    return this.#size;
  }

  /** What is selected now; `unknown` while a SELECT runs. */
  get selected(): SelectedState {
    return this.#selecting > 0 ? 'unknown' : this.#selected;
  }

  /** Whether a command with this tag is outstanding. */
  has(tag: string): boolean {
    return this.#byTag.has(tag);
  }

  /** Notes a command just before its first byte is sent. */
  begin(tag: string, row: VerbRow): OutstandingCommand {
    const sameTag = this.#byTag.get(tag);
    const command = { tag, row, hasTwin: sameTag !== undefined };
    if (sameTag === undefined) this.#byTag.set(tag, new TagQueue(command));
    else sameTag.push(command);
    this.#size += 1;
    if (changesSelection(row)) this.#selecting += 1;
    return command;
  }

  /**
   * Notes a tagged reply.
   *
   * @returns the command that it answers, the oldest with this tag; undefined means that no command waits for it,
   *   so the connection is desynced
   */
  complete(tag: string, status: TaggedStatus): OutstandingCommand | undefined {
    const sameTag = this.#byTag.get(tag);
    const command = sameTag?.shift();
    if (sameTag === undefined || command === undefined) return undefined;
    if (sameTag.isEmpty) this.#byTag.delete(tag);
    this.#size -= 1;
    if (changesSelection(command.row)) {
      this.#selecting -= 1;
      this.#selected = command.hasTwin ? 'unknown' : selectedAfter(command.row, status, this.#selected);
    }
    return command;
  }
}

/** The commands of one tag, oldest first; every step takes the same time, however many a client pipelines. */
class TagQueue {
  readonly #commands: OutstandingCommand[];
  #first = 0;

  constructor(command: OutstandingCommand) {
    this.#commands = [command];
  }

  get isEmpty(): boolean {
    return this.#first === this.#commands.length;
  }

  push(command: OutstandingCommand): void {
    // The others were begun with a twin, or got one before.
    const oldest = this.#commands[this.#first];
    if (oldest !== undefined) oldest.hasTwin = true;
    this.#commands.push(command);
  }

  shift(): OutstandingCommand | undefined {
    const command = this.#commands[this.#first];
    if (command === undefined) return undefined;
    this.#first += 1;
    if (this.#first > COMPACT_AFTER) {
      this.#commands.splice(0, this.#first);
      this.#first = 0;
    }
    return command;
  }
}

function changesSelection(row: VerbRow): boolean {
  return row.effect === 'select' || row.effect === 'deselect';
}

function selectedAfter(row: VerbRow, status: TaggedStatus, before: SelectedState): SelectedState {
  if (row.effect === 'deselect') return status === 'OK' ? 'no' : before;
  if (status === 'OK') return 'yes';
  // A failed SELECT deselects (RFC 9051 §6.3.2); after BAD servers differ in whether it was begun.
  return status === 'NO' ? 'no' : 'unknown';
}
