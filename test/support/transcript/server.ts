// The Dovecot of the recorded script: everything that Debian's packages can switch on is switched on.

import { type Dovecot, startDovecot } from '../dovecot.js';

const EXTENSIONS = String.raw`
imap_idle_notify_interval = 0
imap_metadata = yes
imap_urlauth_host = example.org
mail_attribute_dict = file:%h/attributes
mail_plugins = acl quota
protocol imap {
  mail_plugins = acl quota imap_acl imap_quota imap_zlib
}
plugin {
  acl = vfile
  quota = maildir:User quota
  quota_rule = *:storage=100M
}
namespace inbox {
  mailbox Drafts {
    special_use = \Drafts
    auto = create
  }
  mailbox Sent {
    special_use = \Sent
    auto = subscribe
  }
}
`;

/** @param users - besides the default ones, all with the default password */
export function startTranscriptServer(users: readonly string[]): Promise<Dovecot> {
  return startDovecot({
    extraConfig: EXTENSIONS,
    users: Object.fromEntries(users.map((user) => [user, 'secret'])),
  });
}
