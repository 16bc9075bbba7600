/** Owns the arguments behind `--check`. */

export interface CheckArguments {
  /** Whom to log in, with the password from standard input; undefined: nobody. */
  readonly user: string | undefined;
  /** Whether to try one login as somebody who does not exist. */
  readonly hasWrongLogin: boolean;
}

export const CHECK_USAGE = '--check [--user NAME --password-stdin] [--wrong-login]';

/**
 * Reads the arguments. A password is none of them: other users of the machine can read the arguments of a process.
 *
 * @param args - what stands behind `--check`
 * @returns a sentence for the operator if they make no sense
 */
export function readCheckArguments(args: readonly string[]): CheckArguments | string {
  const rest = [...args];
  let user: string | undefined;
  let hasPasswordInput = false;
  let hasWrongLogin = false;
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (argument === '--wrong-login') hasWrongLogin = true;
    else if (argument === '--password-stdin') hasPasswordInput = true;
    else if (argument === '--user') user = rest.shift() ?? '';
    else if (argument.startsWith('--user=')) user = argument.slice('--user='.length);
    // What is not known is not repeated: it may be a password that was typed in the wrong place.
    else return `--check has an argument that it does not know; it takes ${CHECK_USAGE}`;
  }
  if (user === '') return '--user needs a name';
  if (user !== undefined && hasControls(user)) return 'the name behind --user has control characters in it';
  if (user !== undefined && !hasPasswordInput) return '--user needs --password-stdin: no other way is safe';
  if (user === undefined && hasPasswordInput) return '--password-stdin needs --user';
  return { user, hasWrongLogin };
}

/** CR, LF and NUL would end the command that the name is sent in. */
function hasControls(text: string): boolean {
  return /\p{Cc}/u.test(text);
}
