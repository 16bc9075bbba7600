// Owns a churn: many short sessions of all users in turn, some at a time, within bounds of number and time.
import { quantile } from '../bench/support/figures.mjs';
import { users } from './mailboxes.mjs';
import { runSession } from './session.mjs';

export const concurrency = 8;

/** After this no session begins, so that a busy machine only makes the table smaller. */
const longestMs = 8_000;

/**
 * @typedef {object} ChurnFigures
 * @property {number} sessions
 * @property {Map<string, number>} failures - how often each reason
 * @property {number} closedHere - connections that the client closed first
 * @property {number} p50Ms
 * @property {number} perSecond - of those that succeeded
 * @property {number} seconds
 */

/**
 * @param {import('./session.mjs').Target} target
 * @param {number} sessions
 * @param {(finished: number) => void} [onProgress]
 * @returns {Promise<ChurnFigures>} when every connection is closed
 */
export async function runChurn(target, sessions, onProgress = () => undefined) {
  const startMs = performance.now();
  const durations = [];
  const failures = new Map();
  const closings = [];
  let started = 0;
  let finished = 0;
  let closedHere = 0;

  const oneAfterTheOther = async () => {
    while (started < sessions && performance.now() - startMs < longestMs) {
      const user = users[started % users.length];
      started += 1;
      try {
        const { ms, isClosedHere, closed } = await runSession(target, user);
        durations.push(ms);
        closings.push(closed);
        if (isClosedHere) closedHere += 1;
      } catch ({ message }) {
        failures.set(message, (failures.get(message) ?? 0) + 1);
      }
      finished += 1;
      onProgress(finished);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, oneAfterTheOther));
  const seconds = (performance.now() - startMs) / 1_000;
  await Promise.all(closings);

  durations.sort((a, b) => a - b);
  return {
    sessions: finished,
    failures,
    closedHere,
    p50Ms: quantile(durations, 0.5),
    perSecond: durations.length / seconds,
    seconds,
  };
}
