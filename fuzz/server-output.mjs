// Owns what the scripted server sends: when, in which order, and in which pieces.

import { cut } from './mutations.mjs';
import { Random } from './random.mjs';

const MAX_BYTES_ONE_BY_ONE = 400;

export class ServerOutput {
  /** Answers that are not due yet. @type {{ text: string, isUnordered: boolean }[]} */
  #answers = [];
  /** Pieces on their way. @type {string[]} */
  #pieces = [];
  #isScheduled = false;
  #isWriting = false;
  /** @type {'fin' | 'rst' | undefined} */
  #end;
  /** @type {import('./plan.mjs').Plan['server'] | undefined} */
  #manner;
  #random = new Random(1);

  /** @param {import('node:net').Socket} socket */
  constructor(socket) {
    this.socket = socket;
  }

  /** How it is done from now on; undefined: at once, in order, in one piece. */
  be(/** @type {import('./plan.mjs').Plan['server'] | undefined} */ manner) {
    this.#manner = manner;
    this.#random = new Random(manner?.seed ?? 1);
  }

  add(/** @type {string} */ text, isUnordered = false) {
    if (this.#end !== undefined) return;
    this.#answers.push({ text, isUnordered });
    this.#schedule();
  }

  /** Ends the connection behind what was added. */
  end(/** @type {'fin' | 'rst'} */ how) {
    this.#end ??= how;
    this.#schedule();
  }

  #schedule() {
    if (this.#isScheduled) return;
    const { delay = 'none' } = this.#manner ?? {};
    if (delay === 'none' && this.#manner?.isOutOfOrder !== true) {
      this.#flush();
      return;
    }
    this.#isScheduled = true;
    const flush = () => {
      this.#isScheduled = false;
      this.#flush();
    };
    if (delay === 'ms') setTimeout(flush, this.#random.between(1, 4));
    else setImmediate(flush);
  }

  #flush() {
    const answers = this.#answers.splice(0);
    if (this.#manner?.isOutOfOrder === true)
      for (let at = 1; at < answers.length; at++)
        if (answers[at].isUnordered && answers[at - 1].isUnordered && this.#random.chance(0.5))
          [answers[at - 1], answers[at]] = [answers[at], answers[at - 1]];
    for (const { text } of answers) this.#pieces.push(...this.#cut(text));
    if (!this.#isWriting) this.#write();
  }

  #cut(/** @type {string} */ text) {
    const { chunking = 'whole' } = this.#manner ?? {};
    if (chunking === 'bytes' && text.length <= MAX_BYTES_ONE_BY_ONE) return [...text];
    return chunking === 'whole' || text.length > 20_000 ? [text] : cut(text, this.#random);
  }

  /** A piece at a time, so that the other side reads them apart; never more than the socket takes. */
  #write() {
    this.#isWriting = false;
    const isWhole = (this.#manner?.chunking ?? 'whole') === 'whole';
    for (;;) {
      if (this.socket.destroyed || this.socket.writableEnded) this.#pieces = [];
      const piece = this.#pieces.shift();
      if (piece === undefined) break;
      if (piece === '') continue;
      const hasRoom = this.socket.write(piece, 'latin1');
      if (!hasRoom) {
        this.#isWriting = true;
        const goOn = () => {
          this.socket.off('drain', goOn).off('close', goOn);
          this.#write();
        };
        this.socket.on('drain', goOn).on('close', goOn);
        return;
      }
      if (!isWhole && this.#pieces.length > 0) {
        this.#isWriting = true;
        setImmediate(() => this.#write());
        return;
      }
    }
    if (this.#end === undefined || this.#answers.length > 0) return;
    const { socket } = this;
    if (this.#end === 'fin') socket.end();
    // Behind a FIN of either side Node may fail to reset, and then never closes.
    else if (socket.destroyed || socket.writableEnded || socket.readableEnded) socket.destroy();
    else socket.resetAndDestroy();
  }
}
