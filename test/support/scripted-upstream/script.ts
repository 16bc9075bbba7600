// The knobs of a scripted server: what it says, and where a test takes over.

import type { LiteralMark } from '../literal.js';
import type { ParsedCommand } from './command.js';
import type { UpstreamConnection } from './connection.js';

/**
 * Answers a command. Returning 'default' (perhaps after awaiting something) lets the default behaviour answer; anything
 * else means handled. Later commands are read and answered while a hook still waits, except behind IDLE, AUTHENTICATE
 * and STARTTLS, whose hooks may call `connection.readLine()`.
 */
export type Hook = (command: ParsedCommand, connection: UpstreamConnection) => unknown;

/**
 * Says whether a literal is welcome; 'refuse' answers `NO [TOOBIG]` and reads nothing, 'refused' reads nothing: the hook
 * has answered. May wait, to hold the `+` back.
 */
export type LiteralHook = (
  mark: LiteralMark,
  head: { readonly tag: string; readonly verb: string },
  connection: UpstreamConnection,
) => LiteralVerdict | Promise<LiteralVerdict>;

export type LiteralVerdict = 'accept' | 'refuse' | 'refused' | 'silent';

/** What a server does; every field may be changed while it runs, and counts from the next use on. */
export interface Script {
  /**
   * The whole greeting without CRLF; a function may do anything (and returns undefined to send nothing); null says
   * nothing. The text `PREAUTH` makes the connection one of `preauthUser`.
   * @defaultValue `* OK [CAPABILITY …] scripted server ready` with `capabilitiesBeforeLogin`
   */
  greeting:
    | string
    | null
    | undefined
    | ((connection: UpstreamConnection) => string | undefined | Promise<string | undefined>);
  preauthUser: string;
  capabilitiesBeforeLogin: readonly string[];
  capabilitiesAfterLogin: readonly string[];
  /** How a login's answer tells the capabilities. @defaultValue 'code' */
  loginCapabilities: 'code' | 'untagged' | 'none';
  /** Passwords (or bearer tokens) by user name. */
  users: Record<string, string | Buffer>;
  /** Whose each token is, for a server that believes tokens and not the names beside them. */
  tokenOwners: Record<string, string>;
  /** Who may act as others (authorization identity ≠ authentication identity). */
  masterUsers: readonly string[];
  /** 'bytewise' writes every byte on its own. @defaultValue 'whole' */
  writeMode: 'whole' | 'bytewise';
  /** Answer the client's FIN with FIN. @defaultValue true */
  closesOnEnd: boolean;
  /** After LOGOUT's OK the server closes (sends FIN first). @defaultValue true */
  closesOnLogout: boolean;
  onLiteral: LiteralHook | undefined;
}

const afterLogin =
  'IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE UNSELECT UIDPLUS MOVE CONDSTORE QRESYNC NOTIFY CHILDREN STARTTLS COMPRESS=DEFLATE';

/** The defaults: a small correct server with alice, bob and user0 to user49, whose password is `secret`. */
export function defaultScript(): Script {
  const users: Record<string, string> = { alice: 'secret', bob: 'secret' };
  for (let n = 0; n < 50; n++) users[`user${String(n)}`] = 'secret';
  return {
    greeting: undefined,
    preauthUser: 'alice',
    capabilitiesBeforeLogin:
      'IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=PLAIN AUTH=LOGIN AUTH=XOAUTH2 AUTH=OAUTHBEARER'.split(
        ' ',
      ),
    capabilitiesAfterLogin: afterLogin.split(' '),
    loginCapabilities: 'code',
    users,
    tokenOwners: {},
    masterUsers: [],
    writeMode: 'whole',
    closesOnEnd: true,
    closesOnLogout: true,
    onLiteral: undefined,
  };
}
