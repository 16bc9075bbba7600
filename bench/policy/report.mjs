// Owns what a measurement has to say: its figures, and what it claims of them.

import { renderTable } from '../support/figures.mjs';

/**
 * @typedef {object} Claim
 * @property {string} what
 * @property {boolean} holds
 * @property {boolean} isTimed - whether other work on the machine can make it false
 */

export class Report {
  constructor() {
    /** @type {Claim[]} */
    this.claims = [];
    /** @type {Record<string, unknown>} */
    this.figures = {};
  }

  /** @param {string} text */
  say(text) {
    console.log(text);
  }

  /**
   * Prints one row per name, and keeps it.
   *
   * @param {string} title - of the first column
   * @param {Record<string, Record<string, number | string>>} rows - of the same columns
   */
  table(title, rows) {
    const columns = Object.keys(Object.values(rows)[0] ?? {});
    this.say(
      renderTable(
        [title, ...columns],
        Object.entries(rows).map(([name, row]) => [name, ...columns.map((column) => row[column] ?? '')]),
      ),
    );
    this.say('');
    Object.assign(this.figures, { [title]: rows });
  }

  /**
   * @param {string} what
   * @param {boolean} holds
   */
  claim(what, holds) {
    this.#claim({ what, holds, isTimed: false });
  }

  /**
   * For what is only true of a machine without much else to do.
   *
   * @param {string} what
   * @param {boolean} holds
   */
  claimTimed(what, holds) {
    this.#claim({ what, holds, isTimed: true });
  }

  /** @param {Claim} claim */
  #claim(claim) {
    this.claims.push(claim);
    this.say(`${claim.holds ? 'holds' : 'FAILS'}  ${claim.what}${claim.isTimed ? '  (timed)' : ''}`);
  }
}
