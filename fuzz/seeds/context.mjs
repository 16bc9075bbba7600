// Owns the small parts that seeds are made of: tags, strings in every form, and words with the session's mark.

/** @typedef {(c: Context) => string} Seed */

/** What can stand inside a literal and look like something else. */
const TRICKS = [
  'x LOGIN mallory pw\r\n',
  'y NOOP\r\n',
  'z UNAUTHENTICATE\r\n',
  '* BYE\r\n',
  'DONE\r\n',
  '+ go\r\n',
  'x {10}\r\n',
  'a APPEND INBOX {5+}\r\nhello\r\n',
  '\r\n',
  '\n',
  '\r',
  ')',
  '"',
  '\0',
  '\xff\xfe',
];

export class Context {
  #tags = 0;

  /**
   * @param {import('../random.mjs').Random} random
   * @param {string} mark - of the session
   * @param {{ user: string, password: string }} credentials
   */
  constructor(random, mark, credentials) {
    this.random = random;
    this.mark = mark;
    this.user = credentials.user;
    this.password = credentials.password;
    /** Some sessions have one tag for all commands. */
    this.hasOneTag = random.chance(0.05);
  }

  get tag() {
    return this.hasOneTag ? `${this.mark}.1` : `${this.mark}.${++this.#tags}`;
  }

  /** A tag that was used before, or the next one. */
  get usedTag() {
    return `${this.mark}.${this.random.between(1, this.#tags + 1)}`;
  }

  get box() {
    return this.random.pick(['INBOX', 'INBOX', 'Drafts', `box-${this.mark}`, 'missing', '"a b"', '""']);
  }

  get set() {
    return this.random.pick(['1', '1:*', '*', '1:3', '1,2', '$', '4294967295', '0']);
  }

  /** Text with the mark in it. */
  get text() {
    const { random, mark } = this;
    if (random.chance(0.4)) return mark;
    if (random.chance(0.3)) return `${random.pick(TRICKS)}${mark}${random.pick(TRICKS)}`;
    if (random.chance(0.2)) return '';
    // One that answers to this session's tags when a server reads it as commands.
    if (random.chance(0.3))
      return `${this.usedTag} ${random.pick(['NOOP', 'SELECT INBOX', 'X', 'IDLE'])}\r\n`;
    return `${mark}${'m'.repeat(random.pick([1, 24, 100, 128, 150, 4_096, 5_000]))}`;
  }

  /** A literal of any form. */
  get literal() {
    const { random, text } = this;
    const size = random.chance(0.03) ? random.pick([text.length + 5, 10_000, 5_000_000]) : text.length;
    return `${random.pick(['', '', '~'])}{${size}${random.pick(['', '+'])}}\r\n${text}`;
  }

  /** A string in any form that there is. */
  get string() {
    const { random } = this;
    if (random.chance(0.5)) return this.literal;
    return random.pick([this.mark, `"${this.mark}"`, `"a \\"${this.mark}\\""`, 'x', '""', '"{5}"', '"{5+}"']);
  }

  get base64() {
    const { user, password, random } = this;
    const message = random.pick([
      `\0${user}\0${password}`,
      `${user}\0${user}\0${password}`,
      `\0${user}\0wrong`,
      `n,a=${user},\x01auth=Bearer ${password}\x01\x01`,
      `user=${user}\x01auth=Bearer ${password}\x01\x01`,
      '\0\0',
      user,
    ]);
    return Buffer.from(message, 'latin1').toString('base64');
  }
}
