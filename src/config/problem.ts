/** Owns the sentence that tells an operator what is wrong with one variable. */

const longestShown = 200;

/** A value as it may be shown on one line of a terminal. */
function shown(value: string): string {
  const harmless = withoutUserInfo(value);
  return JSON.stringify(harmless.length > longestShown ? `${harmless.slice(0, longestShown)}…` : harmless);
}

/** Whoever writes a URL where a host is asked for may have put a password before its `@`: all of that is hidden. */
function withoutUserInfo(value: string): string {
  return value.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, '$1(hidden)@');
}

/**
 * One sentence about a value that a parser refused.
 *
 * @param value - the refused text; undefined hides it, for secrets
 * @param error - what the parser threw
 */
export function describeProblem(name: string, value: string | undefined, error: unknown): string {
  const advice = error instanceof Error ? error.message : String(error);
  return `${name} is ${value === undefined ? '(hidden)' : shown(value)}; ${advice}.`;
}

/** One sentence about a variable that must be set and isn't. */
export function describeMissing(name: string, doc: string): string {
  return `${name} is not set; it is required: ${doc}`;
}
