// Owns a crowd in a process of its own, so that those beside it are measured by a clock that doesn't wait for it.
//
// `{ port, names }` gathers it; 'go' lets it work, and is answered when all have sent their first command; 'figures' is
// answered when the last one is done.

import process from 'node:process';
import { Gathering } from './gathering.mjs';

/** @type {Gathering | undefined} */
let gathering;
/** @type {Promise<import('./gathering.mjs').GatheringFigures> | undefined} */
let working;

process.on('message', async (/** @type {'go' | 'figures' | { port: number, names: string[] }} */ message) => {
  if (message === 'figures') {
    process.send?.(await working);
    return;
  }
  if (message === 'go') working = gathering?.work();
  else gathering = await Gathering.at(message.port, message.names);
  process.send?.('done');
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
