// Owns the scripted server as a measurement sees it: its port, its delays, and what it has counted.

import { startWorker } from './worker.mjs';

/** @typedef {{ refusalMs?: number, refusalJitter?: number, loginMs?: number, commandMs?: number }} Delays - 0 where nothing is said */
/**
 * @typedef {object} ServerFigures
 * @property {number} attempts - passwords that were presented
 * @property {number} accepted
 * @property {number[]} attemptsAt - milliseconds of the wall clock
 */
/**
 * @typedef {object} ScriptedServer
 * @property {number} port
 * @property {(delays: Delays) => Promise<void>} set - resolves when they hold
 * @property {() => Promise<ServerFigures>} figures
 * @property {() => Promise<void>} kill - as a crash: no connection is closed in good order
 * @property {() => Promise<void>} stop
 */

/**
 * @param {number} port - free
 * @param {Delays} [delays]
 * @returns {Promise<ScriptedServer>} listening
 */
export async function startScriptedServer(port, delays = {}) {
  const { ask, kill, stop } = await startWorker('scripted-server-main.mjs', [String(port)]);
  await ask(delays);
  return {
    port,
    set: async (changed) => void (await ask(changed)),
    figures: () => ask('figures'),
    kill,
    stop,
  };
}
