// @ts-check
// Owns the list of variants: further questions that the same two hosts can answer. A new one is a file and a row.

import { runDelay } from './variants/delay.mjs';
import { runOutsider } from './variants/outsider.mjs';
import { runPatientServer } from './variants/patient-server.mjs';
import { runSourceAddresses } from './variants/source-addresses.mjs';
import { runTtl } from './variants/ttl.mjs';

/**
 * @typedef {object} VariantResult
 * @property {string} title
 * @property {string} conditions - what was done, in sentences
 * @property {string[]} head - of the table
 * @property {(string | number)[][]} rows
 * @property {string[]} remarks - what the table doesn't say
 * @property {object[]} runs - all figures, for the JSON
 * @property {{ title: string, head: string[], rows: (string | number)[][] }[]} [tables] - further ones
 * @property {import('./verdicts.mjs').Verdict[]} [verdicts] - what must hold
 */
/** @typedef {import('./churn.mjs').ChurnOptions & { isShort: boolean }} VariantOptions */

/** @type {Readonly<Record<string, (stage: import('./stage.mjs').Stage, options: VariantOptions) => Promise<VariantResult>>>} */
export const variants = {
  ttl: runTtl,
  'patient-server': runPatientServer,
  delay: runDelay,
  outsider: runOutsider,
  'source-addresses': runSourceAddresses,
};
