// @ts-check
// Owns the configuration of the lab's Dovecot: one password, many users, short sessions, and limits that nobody reaches.

import { join } from 'node:path';

export const password = 'secret';
/** Whose numbers the mail files get; no account of the system needs to have them. */
export const mailOwner = 5000;

/**
 * @param {{ folder: string, address: string, ports: readonly number[] }} place
 * @returns {string}
 */
export function renderDovecotConfig({ folder, address, ports }) {
  const listeners = ports.map((port) => `  inet_listener port${port} {\n    port = ${port}\n  }\n`).join('');
  return `protocols = imap
listen = ${address}, 127.0.0.1
base_dir = ${join(folder, 'run')}
state_dir = ${join(folder, 'state')}
log_path = ${join(folder, 'dovecot.log')}
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
auth_failure_delay = 0
mail_max_userip_connections = 100000
first_valid_uid = 1
mail_location = maildir:~/Maildir
mail_fsync = never
default_client_limit = 18000
default_process_limit = 1000
passdb {
  driver = static
  args = password=${password}
}
userdb {
  driver = static
  args = uid=${mailOwner} gid=${mailOwner} home=${join(folder, 'mail')}/%u
}
namespace inbox {
  inbox = yes
  separator = /
}
service imap-login {
  service_count = 0
  process_min_avail = 2
  process_limit = 2
  client_limit = 9000
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = 0
  }
${listeners}}
service imap {
  # A process serves one session after the other instead of one alone.
  service_count = 1000
  process_min_avail = 8
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`;
}
