// Owns the ways to break bytes: bits, tokens, lengths, splices. Text is latin1, so that no byte is lost.

/** @typedef {import('./random.mjs').Random} Random */
/** @typedef {(text: string, random: Random, other: string) => string} Mutation */

const BYTES = [
  '\0',
  '\r',
  '\n',
  '\r\n',
  ' ',
  '{',
  '}',
  '"',
  '\\',
  '(',
  ')',
  '*',
  '+',
  '~',
  '%',
  '\x7f',
  '\xff',
];
const TOKENS = [
  '{3}',
  '{3+}',
  '~{0}',
  '{0+}\r\n',
  'OK',
  'NO',
  'NOOP',
  'UID',
  'BYE',
  '[',
  ']',
  'NIL',
  '+ ',
  '* ',
];
const SIZES = [
  '0',
  '1',
  '00',
  '4096',
  '4097',
  '65536',
  '1048577',
  '4294967296',
  '99999999999999999999',
  '-1',
  '',
];
const ENDS = ['\n', '\r', '', '\r\r\n', '\r\n\r\n', ' \r\n', '\0\r\n', '{5}\r\n', ' {5+}\r\n'];

/** @type {readonly Mutation[]} */
const MUTATIONS = [
  // a bit
  (text, random) => {
    const at = random.below(text.length);
    return replaced(text, at, 1, String.fromCharCode(text.charCodeAt(at) ^ (1 << random.below(8))));
  },
  // a byte or a token too many
  (text, random) => replaced(text, random.below(text.length + 1), 0, random.pick(BYTES)),
  (text, random) => replaced(text, random.below(text.length + 1), 0, random.pick(TOKENS)),
  // some bytes too few
  (text, random) => replaced(text, random.below(text.length), random.between(1, 4), ''),
  // a word deleted, or said twice
  (text, random) => {
    const words = text.split(' ');
    words.splice(random.below(words.length), 1);
    return words.join(' ');
  },
  (text, random) => {
    const words = text.split(' ');
    const at = random.below(words.length);
    words.splice(at, 0, words[at]);
    return words.join(' ');
  },
  // two words change places
  (text, random) => {
    const words = text.split(' ');
    const [a, b] = [random.below(words.length), random.below(words.length)];
    [words[a], words[b]] = [words[b], words[a]];
    return words.join(' ');
  },
  // the front of one, the back of another
  (text, random, other) =>
    text.slice(0, random.below(text.length + 1)) + other.slice(random.below(other.length + 1)),
  // a length that lies
  (text, random) => text.replace(/\{\d*(?=\+?\})/, () => `{${random.pick(SIZES)}`),
  (text, random) => text.replace(/\{(\d+)/, (_all, size) => `{${Number(size) + random.between(-2, 2)}`),
  // a literal of another form
  (text, random) =>
    text.replace(
      /~?\{(\d+)\+?\}/,
      (_all, size) => `${random.pick(['', '~'])}{${size}${random.pick(['', '+'])}}`,
    ),
  // a line that ends otherwise
  (text, random) => text.replace(/\r\n/, () => random.pick(ENDS)),
  (text, random) => text.replace(/\r\n$/, () => random.pick(ENDS)),
  // letters in the other case; only those whose other case is one byte, too
  (text) =>
    text.replace(/[a-zA-Z]/g, (letter) => (letter < 'a' ? letter.toLowerCase() : letter.toUpperCase())),
  // all of it twice
  (text) => text + text,
  // the end is missing
  (text, random) => text.slice(0, random.below(text.length)),
];

/**
 * @param {string} text
 * @param {Random} random
 * @param {string} other - to splice with
 */
export function mutate(text, random, other) {
  let mutated = text;
  for (let n = random.pick([1, 1, 1, 2, 4]); n > 0 && mutated !== ''; n--)
    mutated = random.pick(MUTATIONS)(mutated, random, other);
  return mutated;
}

/** Cuts text into pieces of random length; small ones more often. */
export function cut(/** @type {string} */ text, /** @type {Random} */ random) {
  const pieces = [];
  for (let at = 0; at < text.length;) {
    const length = random.chance(0.5) ? random.between(1, 4) : random.between(1, 200);
    pieces.push(text.slice(at, at + length));
    at += length;
  }
  return pieces;
}

/**
 * @param {string} text
 * @param {number} at
 * @param {number} length
 * @param {string} by
 */
function replaced(text, at, length, by) {
  return text.slice(0, at) + by + text.slice(at + length);
}
