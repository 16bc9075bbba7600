// @ts-check
// Owns one measurement: a load, the samples beside it, and what the server saw of it.

import { clearInterval, setInterval } from 'node:timers';
import { startLoad } from './load.mjs';
import { startSampler, summaryOf } from './sampler.mjs';
import { countSockets, readSocketTable } from './socket-table.mjs';

const progressIntervalMs = 5_000;
/** How long Linux keeps TIME_WAIT. */
const timeWaitSeconds = 60;

/** @typedef {import('./sampler.mjs').SampleSummary} SampleSummary */
/**
 * @typedef {object} RunFigures
 * @property {string} label
 * @property {number} upstreamLogins - in Dovecot's log
 * @property {number} serverTimeWait - sockets that wait at the server at the end, because it closed first
 * @property {number | null} clientClosedFirstShare - of the sessions, those that left TIME_WAIT on the client host;
 *   null if the first ones may be over
 * @property {SampleSummary} duringLoad - without what came afterwards
 * @property {SampleSummary[]} others - of the further filters
 * @property {import('./sampler.mjs').Sample[]} timeline
 */
/** @typedef {RunFigures & import('./load.mjs').LoadFigures & SampleSummary} Run */

/**
 * @param {import('./stage.mjs').Stage} stage
 * @param {object} what
 * @param {string} what.label
 * @param {import('./stage.mjs').Endpoint} what.upstream - the ports towards it are counted
 * @param {import('./load.mjs').LoadOrder} what.order
 * @param {import('./socket-table.mjs').SocketFilter[]} [what.otherFilters]
 * @param {() => Promise<void>} [what.afterwards] - sampled too: how a proxy ends is a part of what it costs
 * @returns {Promise<Run>}
 */
export async function measure(stage, { label, upstream, order, otherFilters = [], afterwards }) {
  const loginsBefore = await stage.dovecot.countLogins();
  const filter = { remote: { address: upstream.host, port: upstream.port } };
  /** @type {ReturnType<typeof startLoad> | undefined} */
  let load;
  const sessions = () => load?.counts() ?? { succeeded: 0, failed: 0 };
  const sampler = await startSampler([filter, ...otherFilters], sessions);
  const progress = setInterval(
    () => console.log(progressLine(label, sampler, sessions())),
    progressIntervalMs,
  );
  try {
    load = startLoad(order);
    const figures = await load.figures;
    const share = countSockets(readSocketTable(), filter).timeWait / figures.succeeded;
    const loadEndMs = sampler.latest()?.ms ?? 0;
    await afterwards?.();
    const [timeline = [], ...otherTimelines] = await sampler.stop();
    return {
      label,
      ...figures,
      ...summaryOf(timeline),
      upstreamLogins: (await stage.dovecot.countLogins()) - loginsBefore,
      serverTimeWait: countSockets(readSocketTable(stage.dovecot.pid), { localPort: upstream.port }).timeWait,
      clientClosedFirstShare: figures.seconds < timeWaitSeconds ? share : null,
      duringLoad: summaryOf(timeline.filter(({ ms }) => ms <= loadEndMs)),
      others: otherTimelines.map(summaryOf),
      timeline,
    };
  } finally {
    clearInterval(progress);
    await sampler.stop();
  }
}

/**
 * @param {string} label
 * @param {import('./sampler.mjs').Sampler} sampler
 * @param {{ succeeded: number, failed: number }} sessions
 */
function progressLine(label, sampler, { succeeded, failed }) {
  const { inUse = 0, timeWait = 0 } = sampler.latest() ?? {};
  return `${label}: ${succeeded} sessions, ${failed} failed; ${inUse} ports in use, ${timeWait} in TIME_WAIT`;
}
