/** Owns how a parser refuses a value, so that one place can put the variable's name and value in front of it. */

/**
 * Thrown by a parser. `message` is a clause without a full stop that says what would be right ("it must be …"); it
 * never repeats the value, which may be a secret.
 */
export class BadValue extends Error {
  override readonly name = 'BadValue';
}
