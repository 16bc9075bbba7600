// Owns the marks in requests and mail that say whose they are, and finds them in a stream however it is cut.

/** @typedef {{ user: string, session: number | undefined }} Owner - session: undefined in what is any session's of the user */

const MARK = /Q[a-z0-9]{8}Q/g;
const MARK_LENGTH = 10;
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Any flipped bit makes a mark that nobody has: there are far more of them than are given out. */
export class Markers {
  /** @type {Map<string, Owner>} */
  #owners = new Map();

  /**
   * @param {import('./random.mjs').Random} random
   * @param {string} user
   * @param {number} [session]
   */
  make(random, user, session) {
    let text = 'Q';
    for (let n = 0; n < MARK_LENGTH - 2; n++) text += ALPHABET[random.below(ALPHABET.length)];
    text += 'Q';
    this.#owners.set(text, { user, session });
    return text;
  }

  /** Takes one that was given out elsewhere. */
  take(/** @type {string} */ mark, /** @type {string} */ user, /** @type {number} */ session) {
    this.#owners.set(mark, { user, session });
  }

  /** @returns {Owner | undefined} undefined if it is none of ours, as a mutated one */
  ownerOf(/** @type {string} */ mark) {
    return this.#owners.get(mark);
  }
}

/** Looks at one stream, piece by piece. */
export class MarkScanner {
  #tail = '';

  /**
   * @param {Markers} markers
   * @param {(owner: Owner, mark: string) => void} onMark - in the order of the stream
   */
  constructor(markers, onMark) {
    this.markers = markers;
    this.onMark = onMark;
  }

  push(/** @type {string} */ text) {
    const seen = this.#tail.length;
    const whole = this.#tail + text;
    for (const { 0: mark, index } of whole.matchAll(MARK)) {
      if (index + MARK_LENGTH <= seen) continue;
      const owner = this.markers.ownerOf(mark);
      if (owner !== undefined) this.onMark(owner, mark);
    }
    this.#tail = whole.slice(-(MARK_LENGTH - 1));
  }
}
