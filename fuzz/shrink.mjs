// Owns the way from a finding to its smallest reproduction: sessions and inputs are dropped as long as it fails.

import { Run, SEATS } from './run.mjs';

/** @typedef {import('./plan.mjs').Plan} Plan */
/** @typedef {{ stage: string, plans: Plan[], what: string }} Reproduction */

/** Sockets don't do the same thing twice: so often it is tried. */
const TRIES = 4;

/**
 * @param {import('./run.mjs').Finding} finding
 * @param {ConstructorParameters<typeof Run>[0]} options
 * @param {number} deadlineMs - what is found by then is what there is
 * @returns {Promise<Reproduction | undefined>} undefined if it doesn't happen again
 */
export async function shrink(finding, options, deadlineMs) {
  const end = performance.now() + deadlineMs;
  const { suspects } = finding;
  const stage =
    finding.stage === '' ? suspects.map(({ index }) => SEATS[index % SEATS.length].stage)[0] : finding.stage;
  const fails = async (/** @type {readonly Plan[]} */ plans) => {
    for (let n = 0; n < TRIES && performance.now() < end; n++) {
      const run = new Run(options);
      try {
        await run.replay(stage, plans);
      } finally {
        await run.stop();
      }
      if (run.finding !== undefined) return run.finding.what;
    }
    return undefined;
  };
  /** @type {Reproduction | undefined} */
  let found;
  for (const plans of [suspects.slice(-1), suspects]) {
    const what = await fails(plans);
    if (what === undefined) continue;
    found = { stage, plans: [...plans], what };
    break;
  }
  if (found === undefined) return undefined;
  for (const smaller of candidates(found)) {
    const plans = smaller(found.plans);
    if (plans === undefined || performance.now() > end) continue;
    const what = await fails(plans);
    if (what !== undefined) found = { stage, plans, what };
  }
  return found;
}

/** Steps to something smaller; each is asked for what it makes of what is left by then. */
function* candidates(/** @type {Reproduction} */ { plans }) {
  for (let at = plans.length - 2; at >= 0; at--)
    yield (/** @type {Plan[]} */ now) =>
      now.length > 1 && now[at] !== undefined ? without(now, at, 1) : undefined;
  const longest = Math.max(...plans.map(({ inputs, misdeeds }) => Math.max(inputs.length, misdeeds.length)));
  for (let size = Math.ceil(longest / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let at = longest - size; at >= 0; at -= size)
      for (const field of /** @type {const} */ (['inputs', 'misdeeds']))
        yield (/** @type {Plan[]} */ now) => {
          const last = now[now.length - 1];
          if (at >= last[field].length) return undefined;
          return [
            ...now.slice(0, -1),
            { ...last, [field]: without(/** @type {any[]} */ (last[field]), at, size) },
          ];
        };
}

/**
 * @template T
 * @param {readonly T[]} things
 * @param {number} at
 * @param {number} count
 */
function without(things, at, count) {
  return [...things.slice(0, at), ...things.slice(at + count)];
}
