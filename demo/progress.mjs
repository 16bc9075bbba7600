// Owns the progress bar; where the output is no terminal, one line when all is done.
import process from 'node:process';

const width = 30;
const redrawMs = 60;

export class Progress {
  #label;
  #total;
  #isTerminal;
  #drawnMs = 0;

  /**
   * @param {string} label
   * @param {number} total
   */
  constructor(label, total) {
    this.#label = label;
    this.#total = total;
    this.#isTerminal = process.stdout.isTTY === true;
    this.update(0);
  }

  /** @param {number} finished */
  update(finished) {
    const nowMs = performance.now();
    if (!this.#isTerminal || nowMs - this.#drawnMs < redrawMs) return;
    this.#drawnMs = nowMs;
    const full = Math.round((finished / this.#total) * width);
    const bar = '█'.repeat(full) + '░'.repeat(width - full);
    process.stdout.write(`\r  ${this.#label} ${bar} ${finished}/${this.#total}`);
  }

  /** @param {string} summary */
  end(summary) {
    process.stdout.write(`${this.#isTerminal ? '\r\x1b[K' : ''}  ${this.#label} ${summary}\n`);
  }
}
