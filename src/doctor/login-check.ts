/** Owns the two logins that the doctor tries only when it is told to: a right one, and one that must be wrong. */

import { randomUUID } from 'node:crypto';

import { ProxyError } from '../errors.js';
import type { Credentials } from '../identity.js';
import { logIn } from '../upstream/login.js';
import { attempt, failureOf, leave } from './conversation.js';
import type { Conversation } from './conversation.js';
import type { Report } from './report.js';

const WRONG_LOGIN = 'one wrong login';

/** The advice that goes with every measured wrong login. */
const DOVECOT_ADVICE =
  'in Dovecot a wrong password makes the next logins from the same address wait, and behind the proxy that address is everybody’s; login_trusted_networks alone does not lift that, but `service anvil { unix_listener anvil-auth-penalty { mode = 0 } }` does';

export interface LoginContext {
  readonly report: Report;
  readonly loginTimeoutMs: number;
  readonly now: () => number;
  /** Opens one more connection; throws ProxyError. */
  readonly open: () => Promise<Conversation>;
}

/**
 * Logs in on an open connection.
 *
 * @returns how long it took in milliseconds, or undefined if it failed, which is reported
 */
export async function checkLogin(
  context: LoginContext,
  conversation: Conversation,
  credentials: Credentials,
): Promise<number | undefined> {
  const { report } = context;
  const { error, durationMs } = await timed(context, conversation, credentials);
  if (error === undefined) {
    report.ok('login', `the user is logged in after ${inMs(durationMs)}`);
    return durationMs;
  }
  report.problem('login', `${REASONS[error.code] ?? 'it failed'} (${error.message})`);
  return undefined;
}

const REASONS: Readonly<Partial<Record<ProxyError['code'], string>>> = {
  credentials:
    'the server refuses this user or this password; try them with a mail client that talks to it directly',
  limit:
    'the server does not say that the password is wrong, and does not let the user in; look into its log',
  timeout: 'the server does not answer; look into its log, or raise UPSTREAM_LOGIN_TIMEOUT',
  network: 'the server hangs up; look into its log',
  greeting: 'the server and the proxy have no way of logging in in common; look at the capabilities above',
};

/** Says how to measure what a wrong login costs, for whoever has not asked for it. */
export function tellOfWrongLogin({ report }: LoginContext): void {
  report.note(
    WRONG_LOGIN,
    'not tried, since it may count against the address of this machine; --wrong-login tries one, as a user who does not exist',
  );
}

/**
 * Tries one login as somebody who surely does not exist, and then, where there are right credentials, whether it
 * costs the others anything.
 *
 * @param right - credentials that have just been accepted, and how long that took
 */
export async function checkWrongLogin(
  context: LoginContext,
  right: { readonly credentials: Credentials; readonly durationMs: number } | undefined,
): Promise<void> {
  const { report } = context;
  const took = await timeLogin(context, nobody());
  if (took.error === undefined) {
    report.problem(WRONG_LOGIN, 'the server lets a user in who does not exist; make it check passwords');
    return;
  }
  const { code, message } = took.error;
  if (code === 'credentials') report.note(WRONG_LOGIN, `the NO took ${inMs(took.durationMs)} (${message})`);
  else
    report.warn(
      WRONG_LOGIN,
      `after ${inMs(took.durationMs)} the server gave no plain NO (${message}); the proxy takes that for a busy server, and asks again each time`,
    );
  if (right !== undefined) await measureRightLogin(context, right);
  report.note(WRONG_LOGIN, DOVECOT_ADVICE);
}

/** A delay of more than this, behind a wrong login, is meant. */
const PENALTY_MS = 1_000;

async function measureRightLogin(
  context: LoginContext,
  { credentials, durationMs }: { readonly credentials: Credentials; readonly durationMs: number },
): Promise<void> {
  const { report } = context;
  const after = await timeLogin(context, credentials);
  const times = `right after it the user's own login took ${inMs(after.durationMs)}, before it ${inMs(durationMs)}`;
  if (after.error !== undefined)
    report.warn(WRONG_LOGIN, `${times}, and failed: one user's wrong password locks out the others`);
  else if (after.durationMs > durationMs + PENALTY_MS)
    report.warn(WRONG_LOGIN, `${times}: one user's wrong password slows down the logins of all others`);
  else report.ok(WRONG_LOGIN, `${times}: it slows down nobody else`);
}

interface TimedLogin {
  /** The login alone. */
  readonly durationMs: number;
  readonly error: ProxyError | undefined;
}

/** One login on a connection of its own. Never rejects. */
async function timeLogin(context: LoginContext, credentials: Credentials): Promise<TimedLogin> {
  const { open, now } = context;
  const dialedAt = now();
  const conversation = await attempt(open);
  if (conversation instanceof ProxyError) return { durationMs: now() - dialedAt, error: conversation };
  const login = await timed(context, conversation, credentials);
  await leave(conversation);
  return login;
}

/** One login on an open connection. Never rejects. */
async function timed(
  { loginTimeoutMs, now }: LoginContext,
  { connection, capabilities }: Conversation,
  credentials: Credentials,
): Promise<TimedLogin> {
  const startedAt = now();
  const error = await failureOf(() => logIn(connection, credentials, capabilities, loginTimeoutMs));
  return { durationMs: now() - startedAt, error };
}

function nobody(): Credentials {
  return {
    kind: 'password',
    authenticationId: Buffer.from(`imapbouncer-check-${randomUUID()}`),
    authorizationId: Buffer.alloc(0),
    secret: Buffer.from(randomUUID()),
  };
}

/** Milliseconds as people read them. */
export function inMs(durationMs: number): string {
  if (durationMs >= 10_000) return `${(durationMs / 1_000).toFixed(0)} s`;
  if (durationMs >= 1_000) return `${(durationMs / 1_000).toFixed(1)} s`;
  return durationMs >= 10 ? `${durationMs.toFixed(0)} ms` : `${durationMs.toFixed(1)} ms`;
}
