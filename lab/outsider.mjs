// @ts-check
// Owns another program of the client host that takes every port which it can get, seen from the lab.

import { startWorker } from './child.mjs';

const timeoutMs = 60_000;

/**
 * @typedef {object} Outsider
 * @property {() => number} held - ports
 * @property {string} code - why it got no more at first
 * @property {() => Promise<void>} stop - it gives all back at once; twice is safe
 */

/**
 * @param {import('./stage.mjs').Endpoint & { localAddress?: string }} destination
 * @returns {Promise<Outsider>} no port is left
 */
export async function exhaustPorts(destination) {
  let held = 0;
  /** @type {(code: string) => void} */
  let onExhausted = () => undefined;
  /** @type {Promise<string>} */
  const exhausted = new Promise((resolve) => (onExhausted = resolve));
  const worker = startWorker('outsider-main.mjs', destination, (message) => {
    held = message.held;
    onExhausted(message.code);
  });
  let timer;
  /** @type {Promise<never>} */
  const late = new Promise((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`the outsider found free ports for ${timeoutMs / 1_000} s`)),
      timeoutMs,
    );
  });
  try {
    const code = await Promise.race([exhausted, late, worker.ended.then(() => late)]);
    return { held: () => held, code, stop: worker.finish };
  } catch (error) {
    await worker.stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
