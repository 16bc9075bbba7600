// @ts-check
// Owns the load generator, seen from the lab: its order, its progress, its figures.

import { startWorker } from './child.mjs';

/**
 * @typedef {object} LoadOrder
 * @property {import('./session.mjs').Target} target
 * @property {string[]} users
 * @property {number} sessions - at most
 * @property {number} concurrency - sessions at a time, if there is no rate
 * @property {number} [perSecond] - sessions begin at this rate, at random moments, whether others have ended or not
 * @property {number} [stopAfterRefusedPorts] - no session begins after so many failed with EADDRNOTAVAIL
 */

/**
 * @typedef {object} LoadCounts
 * @property {number} started
 * @property {number} succeeded
 * @property {number} failed
 * @property {number} addressNotAvailable - of the failed ones: the client's connect() found no free port
 */

/**
 * @typedef {object} LoadExtra
 * @property {Record<string, number>} failures - how many, by reason
 * @property {number} [succeededBeforeFirstFailure]
 * @property {number} seconds
 * @property {number} sessionsPerSecond - of those that succeeded
 * @property {number | null} p50Ms - of those that succeeded; null if none did
 * @property {number | null} p99Ms
 */

/** @typedef {LoadCounts & LoadExtra} LoadFigures */

/**
 * @param {LoadOrder} order
 * @returns {{ counts: () => LoadCounts, figures: Promise<LoadFigures> }}
 */
export function startLoad(order) {
  /** @type {LoadCounts} */
  let counts = { started: 0, succeeded: 0, failed: 0, addressNotAvailable: 0 };
  /** @type {LoadFigures | undefined} */
  let figures;
  const worker = startWorker('load-main.mjs', order, (message) => {
    figures = message.figures ?? figures;
    counts = message.counts ?? message.figures;
  });
  const done = worker.ended.then(() => {
    if (figures === undefined) throw new Error('the load generator ended without figures');
    return figures;
  });
  return { counts: () => counts, figures: done };
}
