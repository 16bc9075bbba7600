/** Owns the error that ends a start-up with a wrong environment. */

/**
 * Everything that is wrong with the environment, found in one go.
 *
 * `message` is for the operator: one line per problem, each a sentence that names the variable, its value (never a
 * secret's) and what would be right.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  /** The lines of `message`; never empty. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}
