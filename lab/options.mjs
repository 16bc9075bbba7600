// @ts-check
// Owns the command line of the lab.

import { parseArgs } from 'node:util';
import { variants } from './variants.mjs';
import { systems } from './churn.mjs';

/** The first port of the range; Linux begins there too. */
const lowestPort = 32_768;
const mostPorts = 28_232;
/** Every user's connection needs a port. */
const fewestPorts = 128;
/** Linux uses a loopback port again after a second: 256 ports last for 256 sessions a second only. */
const shortSystems = 'direct,unix';

export const usage = `Usage: npm run lab:ports -- [options]      (Linux, root, Dovecot 2.3)

  --ports N        ephemeral ports of the client host (default 4096; ${fewestPorts} to ${mostPorts})
  --sessions N     through the proxy (default 50000); directly it goes on until 1000 sessions found no port
  --concurrency N  sessions at a time (default 16)
  --short          256 ports, 3000 sessions, 144 without a port, --systems ${shortSystems}
  --systems LIST   of ${Object.keys(systems).join(',')} (default all; empty: none)
  --variants       all of the variants too: ${Object.keys(variants).join(', ')}
  --variant NAME   one of them; may be given again
  --outsider       the same as --variant outsider
  --json FILE      all figures and samples
  --svg FILE       TIME_WAIT and failures over time, directly and by Unix socket
  --check          only say whether the lab can run here

Exit code 0: what must hold held; 1: it didn't, or something failed; 64: wrong arguments; 69: it can't run here.`;

/**
 * @typedef {object} LabOptions
 * @property {{ lowest: number, highest: number, ports: number }} range
 * @property {number} sessions
 * @property {number} refusedPorts
 * @property {number} concurrency
 * @property {boolean} isShort
 * @property {string[]} systems
 * @property {string[]} variants
 * @property {string} [json]
 * @property {string} [svg]
 * @property {boolean} isCheck
 */

/**
 * @param {string[]} args
 * @returns {LabOptions | undefined} undefined: a call for help
 * @throws {Error} that says what is wrong
 */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      ports: { type: 'string' },
      sessions: { type: 'string' },
      concurrency: { type: 'string', default: '16' },
      short: { type: 'boolean', default: false },
      systems: { type: 'string' },
      variants: { type: 'boolean', default: false },
      variant: { type: 'string', multiple: true, default: [] },
      outsider: { type: 'boolean', default: false },
      json: { type: 'string' },
      svg: { type: 'string' },
      check: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const isShort = values.short;
  const ports = numberOf('--ports', values.ports ?? (isShort ? '256' : '4096'), fewestPorts, mostPorts);
  const systemList = values.systems ?? (isShort ? shortSystems : Object.keys(systems).join(','));
  const chosen = [...values.variant, ...(values.outsider ? ['outsider'] : [])];
  return {
    range: { lowest: lowestPort, highest: lowestPort + ports - 1, ports },
    sessions: numberOf('--sessions', values.sessions ?? (isShort ? '3000' : '50000'), 1),
    refusedPorts: isShort ? 144 : 1_000,
    concurrency: numberOf('--concurrency', values.concurrency, 1, 64),
    isShort,
    systems: namesOf('--systems', systemList.split(',').filter(Boolean), systems),
    variants: values.variants ? Object.keys(variants) : namesOf('--variant', chosen, variants),
    ...(values.json === undefined ? {} : { json: values.json }),
    ...(values.svg === undefined ? {} : { svg: values.svg }),
    isCheck: values.check,
  };
}

/**
 * @param {string} option
 * @param {string} text
 * @param {number} least
 * @param {number} [most]
 */
function numberOf(option, text, least, most = Number.MAX_SAFE_INTEGER) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most)
    throw new Error(`${option} ${text}: a whole number from ${least} to ${most} is needed`);
  return value;
}

/**
 * @param {string} option
 * @param {string[]} names
 * @param {Readonly<Record<string, unknown>>} table
 */
function namesOf(option, names, table) {
  const known = Object.keys(table);
  const wrong = names.find((name) => !known.includes(name));
  if (wrong !== undefined) throw new Error(`${option} ${wrong}: there are ${known.join(', ')}`);
  return [...new Set(names)];
}
