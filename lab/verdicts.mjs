// @ts-check
// Owns what must hold of the comparison, and whether it did.

/** @typedef {{ claim: string, measured: string, holds: boolean }} Verdict */

/** One for each of 50 users, and some for the moments in which a user has two. */
export const mostUpstreamPorts = 60;
/** Of the range: a few ports may be free for a moment when the first connect() gives up. */
const exhaustedShare = 0.98;
/**
 * Between samples. A busy machine may delay one of them, and no peak hides there: TIME_WAIT lasts for 60 s, and the
 * proxy has never had more ports in use than it has opened connections.
 */
const usualGapMs = 200;

/**
 * @param {Readonly<Record<string, import('./churn.mjs').ChurnRun>>} runs - by system
 * @param {import('./stage.mjs').Stage['range']} range
 * @returns {Verdict[]}
 */
export function verdictsOf({ direct, ...proxied }, range) {
  return [
    ...(direct === undefined ? [] : directVerdicts(direct, range)),
    ...Object.values(proxied).flatMap(proxyVerdicts),
  ];
}

/**
 * @param {import('./churn.mjs').ChurnRun} run
 * @param {import('./stage.mjs').Stage['range']} range
 * @returns {Verdict[]}
 */
function directVerdicts(
  { label, mostPorts, failed, addressNotAvailable, succeededBeforeFirstFailure },
  { ports },
) {
  return [
    {
      claim: `${label}: all ${ports} ports are used up, and connect() fails with EADDRNOTAVAIL`,
      measured: `${mostPorts} ports; the first failure after ${succeededBeforeFirstFailure ?? 'no'} sessions; EADDRNOTAVAIL ${addressNotAvailable} times`,
      holds: mostPorts >= ports * exhaustedShare && addressNotAvailable > 0,
    },
    {
      claim: `${label}: nothing else fails`,
      measured: `${failed - addressNotAvailable} other failures`,
      holds: failed === addressNotAvailable,
    },
  ];
}

/**
 * @param {import('./churn.mjs').ChurnRun} run
 * @returns {Verdict[]}
 */
function proxyVerdicts(run) {
  return [
    {
      claim: `${run.label}: every session succeeds`,
      measured: `${run.succeeded} of ${run.started}`,
      holds: run.failed === 0 && run.succeeded === run.started,
    },
    {
      claim: `${run.label}: at most ${mostUpstreamPorts} ports in use towards the server`,
      measured: `${run.mostInUse} at most; ${run.connectionsOpened} connections opened in all`,
      holds: run.mostInUse <= mostUpstreamPorts,
    },
    {
      claim: `${run.label}: at most ${mostUpstreamPorts} of them in TIME_WAIT`,
      measured: `${run.mostTimeWait} at most, the proxy's end included`,
      holds: run.mostTimeWait <= mostUpstreamPorts,
    },
    {
      claim: `${run.label}: 99 % of the samples at most ${usualGapMs} ms apart`,
      measured: `${run.samples} samples, ${run.p99GapMs} ms; the longest ${run.longestGapMs} ms`,
      holds: run.p99GapMs <= usualGapMs,
    },
  ];
}
