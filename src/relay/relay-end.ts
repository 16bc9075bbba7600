/** Owns the ways in which a logged-in session ends, and what each says of its connection. */

import type { CloseReason } from '../upstream/connection.js';

/** How a session ended, for the log. */
export type RelayEnd =
  | 'logout'
  /** The client sent FIN, and got all its answers. */
  | 'half_close'
  /** The client is gone: RST, or a failed write. */
  | 'vanished'
  /** The client broke the framing, or left inside a command. */
  | 'unprovable'
  | 'upstream_lost'
  | 'desynced'
  /** The upstream doesn't accept the credentials any more. */
  | 'credentials'
  | 'timeout'
  /** The session was quiet, and others of its user waited for what it held. */
  | 'reclaimed'
  | 'drain';

/** What is wrong with a connection after this end; undefined if nothing is. */
export function discardReason(end: RelayEnd): CloseReason | undefined {
  switch (end) {
    case 'unprovable':
      return 'dirty';
    case 'desynced':
    case 'upstream_lost':
      return 'error';
    default:
      return undefined;
  }
}
