// @ts-check
// Owns the samples of one run: what the sampler's process has seen, beside how many sessions there were by then.

import { quantile } from '../bench/support/figures.mjs';
import { startWorker } from './child.mjs';

/** @typedef {import('./socket-table.mjs').SocketFilter} SocketFilter */
/**
 * @typedef {object} Sample
 * @property {number} ms - since the first one
 * @property {number} inUse - sockets that the filter finds, without those in TIME_WAIT
 * @property {number} timeWait
 * @property {number} succeeded - sessions so far
 * @property {number} failed
 */
/**
 * @typedef {object} SampleSummary
 * @property {number} mostInUse
 * @property {number} mostTimeWait
 * @property {number} mostPorts - of both together, in one sample
 * @property {number} samples
 * @property {number} p99GapMs - between two samples
 * @property {number} longestGapMs
 */
/**
 * @typedef {object} Sampler
 * @property {() => Sample | undefined} latest - of the first filter
 * @property {() => Promise<Sample[][]>} stop - all samples, by filter; twice is safe
 */

/**
 * @param {SocketFilter[]} filters
 * @param {() => { succeeded: number, failed: number }} sessions
 * @returns {Promise<Sampler>} it has taken the first sample
 */
export async function startSampler(filters, sessions) {
  /** @type {Sample[][]} */
  const timelines = filters.map(() => []);
  /** @type {Promise<void> | undefined} */
  let stopped;
  return new Promise((resolve, reject) => {
    const worker = startWorker('sampler-main.mjs', { filters }, ({ ms, counts }) => {
      const { succeeded, failed } = sessions();
      for (const [at, timeline] of timelines.entries())
        timeline.push({ ms, ...counts[at], succeeded, failed });
      resolve({
        latest: () => timelines[0]?.at(-1),
        stop: async () => {
          stopped ??= worker.finish();
          await stopped;
          return timelines;
        },
      });
    });
    worker.ended.then(() => reject(new Error('the sampler ended')), reject);
  });
}

/**
 * @param {Sample[]} samples
 * @returns {SampleSummary}
 */
export function summaryOf(samples) {
  const most = (/** @type {(sample: Sample) => number} */ pick) =>
    samples.reduce((highest, sample) => Math.max(highest, pick(sample)), 0);
  const gaps = samples.slice(1).map(({ ms }, at) => ms - (samples[at]?.ms ?? ms));
  gaps.sort((a, b) => a - b);
  return {
    mostInUse: most(({ inUse }) => inUse),
    mostTimeWait: most(({ timeWait }) => timeWait),
    mostPorts: most(({ inUse, timeWait }) => inUse + timeWait),
    samples: samples.length,
    p99GapMs: quantile(gaps, 0.99),
    longestGapMs: gaps.at(-1) ?? 0,
  };
}
