// Owns what one session is going to do, drawn from a seed: nothing here touches a socket.

import { cut, mutate } from './mutations.mjs';
import { Random } from './random.mjs';
import { afterLogin, correct } from './seeds/after-login.mjs';
import { beforeLogin, proxyHeaders } from './seeds/before-login.mjs';
import { Context } from './seeds/context.mjs';
import { beforeLoginResponses, lawful, loginResponses, unlawful } from './seeds/responses.mjs';

/** How many responses are in front of an answer that something is `before`. */
export const SAID_BEFORE = 4;

/** @typedef {'client-before-login' | 'client-after-login' | 'upstream'} Direction */
/**
 * @typedef {object} Misdeed - of the server, in place of its n-th answer to the session, or beside it
 * @property {number} at
 * @property {'before' | 'instead' | 'behind' | 'mutated' | 'none' | 'fin' | 'rst'} how
 * @property {number} seed
 */
/**
 * @typedef {object} Plan
 * @property {number} index
 * @property {number} seed
 * @property {Direction} direction
 * @property {string} user
 * @property {string} password
 * @property {string} mark
 * @property {string} opening - what comes before the greeting is read, as a PROXY header
 * @property {'login' | 'plain' | 'none'} login
 * @property {string[]} inputs - each is one mutated command
 * @property {boolean} isCorrect - nothing is mutated, so every command has to be answered
 * @property {boolean} isPolite - waits for `+` before a synchronizing literal
 * @property {'whole' | 'inputs' | 'random' | 'bytes'} chunking
 * @property {number} chunkSeed
 * @property {{ at: number, how: 'fin' | 'rst' | 'destroy' } | undefined} death - behind so many bytes of its inputs
 * @property {'logout' | 'fin' | 'rst' | 'destroy'} ending
 * @property {boolean} isSlowReader
 * @property {Misdeed[]} misdeeds - the server's, once logged in
 * @property {string | undefined} greeting - of the connection that the login opens
 * @property {number | undefined} loginMisdeed - seed of the server's answer to the login
 * @property {{ delay: 'none' | 'turn' | 'ms', isOutOfOrder: boolean, chunking: 'whole' | 'random' | 'bytes', seed: number }} server
 */

/**
 * @param {object} options
 * @param {number} options.seed - of the run
 * @param {number} options.index
 * @param {Direction} options.direction
 * @param {import('./stage.mjs').Stage} options.stage
 * @param {string} options.user
 * @returns {Plan}
 */
export function makePlan({ seed, index, direction, stage, user: baseUser }) {
  const random = Random.of(seed, index);
  const isCold = direction === 'upstream' ? random.chance(0.3) : random.chance(0.02);
  // A name that nobody has used: its login is a cold one, and whatever the server does to it, it does to nobody else.
  const user = isCold ? `${baseUser}+${index}` : baseUser;
  const password = stage.server.passwordOf(user);
  const mark = stage.markers.make(random, baseUser, index);
  const context = new Context(random, mark, { user, password });
  const isCorrect = direction !== 'upstream' && random.chance(0.08);
  if (isCorrect) context.hasOneTag = false;
  const isBefore = direction === 'client-before-login';
  // A server's misdeeds are seen best beside what a client does right.
  const isUsual = isCorrect || (direction === 'upstream' && random.chance(0.5));
  const seeds = isUsual ? correct : isBefore && random.chance(0.9) ? beforeLogin : afterLogin;
  const inputs = [];
  const count =
    isCorrect || direction === 'upstream' ? random.between(2, 12) : random.between(5, isBefore ? 120 : 60);
  for (let n = 0; n < count; n++) {
    const text = random.pick(seeds)(context);
    const isMutated = !isCorrect && random.chance(direction === 'upstream' ? 0.05 : 0.5);
    inputs.push(isMutated ? mutate(text, random, random.pick(seeds)(context)) : text);
  }
  const length = inputs.reduce((sum, text) => sum + text.length, 0);
  const chunking =
    length > 3_000
      ? random.pick(/** @type {const} */ (['whole', 'inputs', 'random']))
      : random.pick(/** @type {const} */ (['whole', 'inputs', 'random', 'random', 'bytes']));
  return {
    index,
    seed,
    direction,
    user,
    password,
    mark,
    opening: stage.takesProxyHeader ? proxyHeader(random) : '',
    login: isBefore && !isCorrect ? 'none' : random.pick(['login', 'plain']),
    inputs,
    isCorrect,
    isPolite: isCorrect || random.chance(0.6),
    chunking: length > 20_000 && chunking === 'random' ? 'inputs' : chunking,
    chunkSeed: random.seed(),
    death:
      !isCorrect && random.chance(0.2)
        ? { at: random.below(length + 1), how: random.pick(['fin', 'rst', 'destroy']) }
        : undefined,
    ending: random.pick(isCorrect ? ['logout', 'fin'] : ['logout', 'logout', 'fin', 'fin', 'rst', 'destroy']),
    isSlowReader: !isCorrect && random.chance(0.02),
    misdeeds: direction === 'upstream' ? misdeeds(random, count) : [],
    greeting:
      isCold && direction === 'upstream' && random.chance(0.5)
        ? broken(random, random.pick(beforeLoginResponses), { tag: 'A', mark, random })
        : undefined,
    loginMisdeed: isCold && direction === 'upstream' && random.chance(0.5) ? random.seed() : undefined,
    server: {
      delay: random.pick(['none', 'none', 'turn', 'ms']),
      isOutOfOrder: random.chance(0.3),
      chunking: random.pick(['whole', 'whole', 'whole', 'random', 'bytes']),
      seed: random.seed(),
    },
  };
}

function proxyHeader(/** @type {Random} */ random) {
  const header = random.pick(proxyHeaders);
  return random.chance(0.1) ? mutate(header, random, random.pick(proxyHeaders)) : header;
}

/** @returns {Misdeed[]} */
function misdeeds(/** @type {Random} */ random, /** @type {number} */ count) {
  const found = [];
  for (let n = random.between(1, 3 * count); n > 0; n--) {
    const how = random.pick(
      /** @type {const} */ ([
        ...[
          'before',
          'before',
          'before',
          'before',
          'behind',
          'behind',
          'mutated',
          'instead',
          'none',
          'fin',
          'rst',
        ],
      ]),
    );
    found.push({ at: random.below(count + 1), how, seed: random.seed() });
  }
  return /** @type {Misdeed[]} */ (found);
}

/**
 * What the server says instead of, or beside, an honest answer.
 *
 * @param {Misdeed} misdeed
 * @param {string} honest
 * @param {{ tag: string, mark: string }} command
 */
export function misbehave({ how, seed }, honest, { tag, mark }) {
  const random = new Random(seed);
  const context = { tag, mark, random };
  const text = broken(random, random.pick(random.chance(0.3) ? lawful : unlawful), context);
  switch (how) {
    case 'before':
      // What breaks no rule goes unnoticed, and the session goes on to the next misdeed.
      return `${honestly(context)}${random.chance(0.2) ? text : ''}${honest}`;
    case 'behind':
      return honest + text;
    case 'instead':
      return text;
    case 'mutated':
      return mutate(honest, random, text);
    case 'none':
      return '';
    default:
      return honest.slice(0, random.below(honest.length + 1));
  }
}

/** Responses that nobody asked for, one in a while with something wrong in it. */
function honestly(/** @type {import('./seeds/responses.mjs').ReplyContext} */ context) {
  const { random } = context;
  return Array.from({ length: SAID_BEFORE }, () => {
    const text = random.pick(lawful)(context);
    return random.chance(0.03) ? mutate(text, random, random.pick(unlawful)(context)) : text;
  }).join('');
}

/** The answer to a login. */
export function loginAnswer(/** @type {number} */ seed, /** @type {string} */ tag) {
  const random = new Random(seed);
  return broken(random, random.pick(loginResponses), { tag, mark: '', random });
}

/**
 * @param {Random} random
 * @param {import('./seeds/responses.mjs').ResponseSeed} make
 * @param {import('./seeds/responses.mjs').ReplyContext} context
 */
function broken(random, make, context) {
  const text = make(context);
  return random.chance(0.4) ? mutate(text, random, random.pick(unlawful)(context)) : text;
}

/** The pieces in which an input is sent, as far as it can be before something is waited for. */
export function pieces(
  /** @type {Plan} */ { chunking },
  /** @type {string} */ text,
  /** @type {Random} */ random,
) {
  if (chunking === 'bytes') return [...text];
  return chunking === 'random' ? cut(text, random) : [text];
}
