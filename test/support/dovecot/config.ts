// The configuration of a throw-away Dovecot 2.3.

import { execFileSync } from 'node:child_process';
import { userInfo } from 'node:os';
import { join } from 'node:path';

/** The numbers that a test may want to change. */
export interface DovecotLimits {
  /** `mail_max_userip_connections`. @defaultValue 100 */
  readonly maxUserIpConnections?: number;
  /** imap processes, one per connection. @defaultValue 3000 */
  readonly maxImapProcesses?: number;
  /** @defaultValue 2 */
  readonly loginProcesses?: number;
  /**
   * Stock behaviour after a wrong password: seconds of delay for *every* later login from that address (or from the
   * `x-originating-ip` that a trusted client named), even in `login_trusted_networks`. Without it a NO still takes 0.5 s.
   * @defaultValue false
   */
  readonly hasLoginPenalty?: boolean;
}

/** Where this instance lives. */
export interface DovecotPlace {
  readonly folder: string;
  readonly imapPort: number;
  readonly imapsPort: number;
}

/** Whose numbers the mail files get: Dovecot never serves mail as root, and needs no real account for others. */
export function mailOwner(): { uid: number; gid: number; isRoot: boolean } {
  const uid = process.getuid?.() ?? 0;
  return uid === 0
    ? { uid: 5000, gid: 5000, isRoot: true }
    : { uid, gid: process.getgid?.() ?? uid, isRoot: false };
}

/** The file's text. `extra` comes last, so it wins. */
export function renderDovecotConfig(place: DovecotPlace, limits: DovecotLimits, extra: string): string {
  const { folder } = place;
  const { uid, gid, isRoot } = mailOwner();
  const loginProcesses = String(limits.loginProcesses ?? 2);
  return `protocols = imap
listen = 127.0.0.1
base_dir = ${join(folder, 'run')}
state_dir = ${join(folder, 'state')}
log_path = ${join(folder, 'dovecot.log')}
auth_verbose = yes
ssl = yes
ssl_cert = <${join(folder, 'server.pem')}
ssl_key = <${join(folder, 'server.key')}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
login_trusted_networks = 127.0.0.0/8 ::1
mail_max_userip_connections = ${String(limits.maxUserIpConnections ?? 100)}
first_valid_uid = 1
mail_location = maildir:~/Maildir
mail_fsync = never
mailbox_idle_check_interval = 1 secs
default_client_limit = 10000
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u ${join(folder, 'users')}
}
userdb {
  driver = static
  args = uid=${String(uid)} gid=${String(gid)} home=${join(folder, 'mail')}/%u
}
namespace inbox {
  inbox = yes
  separator = /
}
service imap-login {
  service_count = 0
  process_min_avail = ${loginProcesses}
  process_limit = ${loginProcesses}
  client_limit = 5000
  inet_listener imap {
    port = ${String(place.imapPort)}
  }
  inet_listener imaps {
    port = ${String(place.imapsPort)}
    ssl = yes
  }
}
service imap {
  process_limit = ${String(limits.maxImapProcesses ?? 3_000)}
}
${limits.hasLoginPenalty === true ? '' : withoutPenalty}${isRoot ? '' : renderUnprivileged()}${extra}
`;
}

/** The documented way to switch the penalty off: nobody can reach the service that counts failures. */
const withoutPenalty = `service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`;

/** Without root every service runs as the caller, and nothing can chroot. */
function renderUnprivileged(): string {
  const { username } = userInfo();
  const group = execFileSync('id', ['-gn'], { encoding: 'utf8' }).trim();
  return `default_internal_user = ${username}
default_internal_group = ${group}
default_login_user = ${username}
service imap-login {
  chroot =
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
`;
}
