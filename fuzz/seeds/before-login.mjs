// Owns what a client may say before its login (RFC 9051 §6.1, §6.2), and what comes even before that.

/** @typedef {import('./context.mjs').Seed} Seed */

const MECHANISMS = [
  'PLAIN',
  'LOGIN',
  'XOAUTH2',
  'OAUTHBEARER',
  'plain',
  'CRAM-MD5',
  '"PLAIN"',
  '{5+}\r\nPLAIN',
];

/** @type {readonly Seed[]} */
export const beforeLogin = [
  (c) => `${c.tag} CAPABILITY\r\n`,
  (c) => `${c.tag} NOOP\r\n`,
  (c) => `${c.tag} ID NIL\r\n`,
  (c) => `${c.tag} ID ("name" ${c.string} ${c.string} NIL)\r\n`,
  (c) => `${c.tag} ID (${Array.from({ length: 31 }, () => '"k" "v"').join(' ')})\r\n`,
  (c) => `${c.tag} LOGIN ${c.user} ${c.password}\r\n`,
  (c) => `${c.tag} LOGIN "${c.user}" "${c.password}"\r\n`,
  (c) => `${c.tag} login {${c.user.length}}\r\n${c.user} {${c.password.length}}\r\n${c.password}\r\n`,
  (c) => `${c.tag} LOGIN {${c.user.length}+}\r\n${c.user} {${c.password.length}+}\r\n${c.password}\r\n`,
  (c) => `${c.tag} LOGIN ${c.user} wrong\r\n`,
  (c) => `${c.tag} LOGIN ${c.string} ${c.string}\r\n`,
  (c) => `${c.tag} LOGIN {0+}\r\n {0+}\r\n\r\n`,
  (c) => `${c.tag} LOGIN\r\n`,
  (c) => `${c.tag} AUTHENTICATE ${c.random.pick(MECHANISMS)}\r\n${c.base64}\r\n`,
  (c) => `${c.tag} AUTHENTICATE ${c.random.pick(MECHANISMS)} ${c.base64}\r\n`,
  (c) => `${c.tag} AUTHENTICATE ${c.random.pick(MECHANISMS)} =\r\n${c.base64}\r\n`,
  (c) => `${c.tag} AUTHENTICATE PLAIN\r\n*\r\n`,
  (c) => `${c.tag} AUTHENTICATE PLAIN\r\n${c.literal}\r\n`,
  (c) =>
    `${c.tag} AUTHENTICATE LOGIN\r\n${Buffer.from(c.user).toString('base64')}\r\n${Buffer.from(c.password).toString('base64')}\r\n`,
  (c) => `${c.tag} AUTHENTICATE XOAUTH2 ${c.base64}\r\n\r\n`,
  (c) => `${c.tag} AUTHENTICATE OAUTHBEARER ${c.base64}\r\nAQ==\r\n`,
  (c) => `${c.tag} STARTTLS\r\n`,
  (c) => `${c.tag} STARTTLS\r\n\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${c.mark}`,
  (c) => `${c.tag} STARTTLS\r\n${c.tag} NOOP\r\n`,
  (c) => `${c.tag} SELECT INBOX\r\n`,
  (c) => `${c.tag} APPEND INBOX ${c.literal}\r\n`,
  (c) => `${c.tag} ENABLE CONDSTORE\r\n`,
  (c) => `${c.tag} IDLE\r\nDONE\r\n`,
  (c) => `${c.tag} LOGOUT\r\n`,
  (c) => `${c.tag} NOOP ${c.literal}\r\n`,
  (c) => `${c.tag} ${'x'.repeat(c.random.pick([120, 128, 16_000, 16_400, 70_000]))}\r\n`,
  (c) => `${'t'.repeat(c.random.pick([99, 100, 101, 200]))} NOOP\r\n`,
  (c) => `\0\r\n${c.tag} N\0OP\r\n`,
  () => '\r\n\n\r\r\n',
  (c) => `GET / HTTP/1.1\r\nHost: ${c.mark}\r\n\r\n`,
  () => '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03',
];

/** What forwards connections says first, at listeners that expect it. */
export const proxyHeaders = [
  'PROXY TCP4 203.0.113.7 127.0.0.1 40000 993\r\n',
  'PROXY TCP6 2001:db8::1 ::1 40000 993\r\n',
  'PROXY UNKNOWN\r\n',
  `${'\r\n\r\n\0\r\nQUIT\n'}\x21\x11\0\x0c\xcb\0\x71\x07\x7f\0\0\x01\x9c\x40\x03\xe1`,
  `${'\r\n\r\n\0\r\nQUIT\n'}\x20\0\0\0`,
  `${'\r\n\r\n\0\r\nQUIT\n'}\x21\x11\0\x1a\xcb\0\x71\x07\x7f\0\0\x01\x9c\x40\x03\xe1\x20\0\x0b\x01\0\0\0\0\x21\0\x03TLS`,
];
