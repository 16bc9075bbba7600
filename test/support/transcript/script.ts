// The whole recorded script: its sessions, in the order in which they run.

import { anyState, badCommands, tooManyBadCommands } from './any-state.js';
import { beforeLogin, compressed, hiddenCommand, noCommands, refusedAfterLogin } from './answered.js';
import { condstore, enabled, pipelined, pipelinedToTheEnd, qresync, unasked, urls } from './extensions.js';
import { mailboxes, rights } from './mailboxes.js';
import { appended, changed, fetched } from './messages.js';
import type { Session } from './rows.js';
import { spellings, tooLongLine } from './spellings.js';
import { searched, sorted, watched } from './searches.js';

/** Sessions that give the same transcript directly and through the proxy, but for what their rows name. */
export const script: readonly Session[] = [
  anyState,
  badCommands,
  tooManyBadCommands,
  mailboxes,
  rights,
  appended,
  fetched,
  changed,
  searched,
  sorted,
  watched,
  condstore,
  qresync,
  enabled,
  unasked,
  urls,
  pipelined,
  pipelinedToTheEnd,
  spellings,
  tooLongLine,
  ...beforeLogin,
  refusedAfterLogin,
  compressed,
  noCommands,
  hiddenCommand,
];
