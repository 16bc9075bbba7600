/** Owns the sentence that tells an operator what is wrong with one variable. */

const longestShown = 200;

/** A value as it may be shown on one line of a terminal. */
function shown(value: string): string {
  return JSON.stringify(value.length > longestShown ? `${value.slice(0, longestShown)}…` : value);
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
