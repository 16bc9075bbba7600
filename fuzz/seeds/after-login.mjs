// Owns the commands of a logged-in client: every one of RFC 9051 and of the common extensions, with every form of literal.

/** @typedef {import('./context.mjs').Seed} Seed */

const SETS = ['CONDSTORE', 'QRESYNC', 'UTF8=ACCEPT', 'IMAP4rev2', 'CONDSTORE UTF8=ACCEPT', 'X-Y'];

/** @type {readonly Seed[]} */
const anyState = [
  (c) => `${c.tag} NOOP\r\n`,
  (c) => `${c.tag} noop\r\n${c.tag} NOOP\r\n${c.tag} NOOP\r\n`,
  (c) => `${c.tag} CAPABILITY\r\n`,
  (c) => `${c.tag} ID ("name" ${c.string})\r\n`,
  (c) => `${c.tag} NAMESPACE\r\n`,
  (c) => `${c.tag} ENABLE ${c.random.pick(SETS)}\r\n`,
  (c) => `${c.tag} XYZZY ${c.string}\r\n`,
  (c) => `${c.tag} LOGIN ${c.user} ${c.string}\r\n`,
  (c) => `${c.tag} AUTHENTICATE PLAIN\r\n`,
  (c) => `${c.tag} ${c.random.pick(['STARTTLS', 'COMPRESS DEFLATE', 'UNAUTHENTICATE'])}\r\n`,
  (c) => `${c.tag} NOOP ${c.literal}\r\n`,
  (c) => `${c.tag} NOOP {34+}\r\n${c.usedTag} NOOP\r\n${c.usedTag} LOGIN x y\r\n`,
  (c) => `${c.usedTag} NOOP\r\n${c.usedTag} SELECT ${c.box}\r\n`,
  (c) => `${c.tag} ${'w'.repeat(c.random.pick([100, 127, 128, 129, 200, 9_000]))} ${c.mark}\r\n`,
  (c) => `${c.tag} LIST "" "${'w'.repeat(c.random.pick([120, 2_000, 9_000, 70_000]))}${c.mark}"\r\n`,
  (c) => `${c.tag} NOOP\n`,
  (c) => `${c.tag} NOOP\r${c.tag} NOOP\r\n`,
  (c) => `${c.tag} NO\0OP\r\n`,
  (c) => `${c.tag} \xc3\xa4\r\n`,
  () => '\r\n',
  () => 'DONE\r\n',
  () => '+\r\n',
  (c) => `* ${c.mark}\r\n`,
  (c) => `${c.tag}\r\n`,
];

/** @type {readonly Seed[]} */
const authenticated = [
  (c) => `${c.tag} SELECT ${c.box}\r\n`,
  (c) => `${c.tag} EXAMINE ${c.string}\r\n`,
  (c) => `${c.tag} SELECT INBOX (CONDSTORE)\r\n`,
  (c) => `${c.tag} SELECT INBOX (QRESYNC (1 2 41,43:211 (1 2)))\r\n`,
  (c) => `${c.tag} SELECT ${c.literal} (CONDSTORE)\r\n`,
  (c) => `${c.tag} ${c.random.pick(['CREATE', 'DELETE', 'SUBSCRIBE', 'UNSUBSCRIBE'])} ${c.string}\r\n`,
  (c) => `${c.tag} RENAME ${c.string} ${c.string}\r\n`,
  (c) => `${c.tag} CREATE ${c.string} (USE (\\Drafts))\r\n`,
  (c) => `${c.tag} ${c.random.pick(['LIST', 'LSUB', 'XLIST'])} ${c.string} ${c.string}\r\n`,
  (c) =>
    `${c.tag} LIST (SUBSCRIBED) "" (${c.string} "%") RETURN (CHILDREN STATUS (MESSAGES HIGHESTMODSEQ))\r\n`,
  (c) => `${c.tag} STATUS ${c.string} (MESSAGES UIDNEXT)\r\n`,
  (c) => `${c.tag} STATUS INBOX (HIGHESTMODSEQ)\r\n`,
  (c) => `${c.tag} APPEND ${c.box} ${c.literal}\r\n`,
  (c) => `${c.tag} APPEND INBOX (\\Seen) "01-Jan-2026 00:00:00 +0000" ${c.literal}\r\n`,
  (c) => `${c.tag} APPEND ${c.literal} ${c.literal}\r\n`,
  (c) => `${c.tag} APPEND INBOX ${c.literal} (\\Flagged) ${c.literal} ${c.literal}\r\n`,
  (c) =>
    `${c.tag} APPEND INBOX CATENATE (URL "/INBOX;UID=1" TEXT ${c.literal} TEXT ${c.literal} URL ${c.string})\r\n`,
  (c) => `${c.tag} APPEND INBOX UTF8 (~${c.literal})\r\n`,
  (c) => `${c.tag} APPEND missing {${c.mark.length}+}\r\n${c.mark}\r\n`,
  (c) => `${c.tag} REPLACE 1 INBOX ${c.literal}\r\n`,
  (c) => `${c.tag} IDLE\r\nDONE\r\n`,
  (c) => `${c.tag} IDLE\r\n${c.random.pick(['done', 'x', '', `${c.mark} NOOP`, `DONE ${c.mark}`])}\r\n`,
  (c) => `${c.tag} IDLE\r\n`,
  (c) => `${c.tag} IDLE {3}\r\nabc\r\nDONE\r\n`,
  (c) => `${c.tag} ${c.random.pick(['GETQUOTA', 'GETQUOTAROOT', 'GETACL', 'MYRIGHTS'])} ${c.string}\r\n`,
  (c) => `${c.tag} SETQUOTA ${c.string} (STORAGE 512)\r\n`,
  (c) => `${c.tag} SETACL ${c.string} ${c.string} lrs\r\n`,
  (c) => `${c.tag} SETMETADATA INBOX (/private/comment ${c.literal})\r\n`,
  (c) => `${c.tag} GETMETADATA (DEPTH 1) ${c.string} (/shared/comment)\r\n`,
  (c) => `${c.tag} URLFETCH ${c.string} ${c.string}\r\n`,
  (c) => `${c.tag} NOTIFY SET (selected (MessageNew (FLAGS))) (mailboxes ${c.string} (MessageNew))\r\n`,
  (c) => `${c.tag} NOTIFY NONE\r\n`,
  (c) => `${c.tag} LANGUAGE ${c.string}\r\n`,
  (c) => `${c.tag} COMPARATOR ${c.string}\r\n`,
];

/** @type {readonly Seed[]} */
const selected = [
  (c) => `${c.tag} ${c.random.pick(['CLOSE', 'UNSELECT', 'EXPUNGE', 'CHECK'])}\r\n`,
  (c) => `${c.tag} UID EXPUNGE ${c.set}\r\n`,
  (c) =>
    `${c.tag} SEARCH ${c.random.pick(['ALL', 'RETURN (SAVE) ALL', 'RETURN (MIN COUNT) UNSEEN', '$'])}\r\n`,
  (c) => `${c.tag} UID SEARCH CHARSET UTF-8 TEXT ${c.literal} SUBJECT ${c.literal}\r\n`,
  (c) => `${c.tag} SEARCH OR FROM ${c.string} NOT (TO ${c.string})\r\n`,
  (c) => `${c.tag} SEARCH MODSEQ 620162338\r\n`,
  (c) => `${c.tag} SEARCH early ${c.literal}\r\n`,
  (c) => `${c.tag} SORT (DATE) UTF-8 TEXT ${c.string}\r\n`,
  (c) => `${c.tag} THREAD REFERENCES UTF-8 SUBJECT ${c.string}\r\n`,
  (c) => `${c.tag} ESEARCH IN (mailboxes ${c.string}) ALL\r\n`,
  (c) => `${c.tag} FETCH ${c.set} (FLAGS UID BODY.PEEK[])\r\n`,
  (c) => `${c.tag} UID FETCH ${c.set} BODY[HEADER.FIELDS (${c.string})]<0.100>\r\n`,
  (c) => `${c.tag} FETCH 1:* (FLAGS) (CHANGEDSINCE 12345)\r\n`,
  (c) => `${c.tag} FETCH 1 BINARY[1]\r\n`,
  (c) => `${c.tag} STORE ${c.set} +FLAGS.SILENT (\\Deleted)\r\n`,
  (c) => `${c.tag} UID STORE 1 (UNCHANGEDSINCE 1) FLAGS (\\Seen)\r\n`,
  (c) => `${c.tag} ${c.random.pick(['COPY', 'MOVE', 'UID COPY', 'UID MOVE'])} ${c.set} ${c.string}\r\n`,
  (c) => `${c.tag} SELECT INBOX\r\n${c.tag} FETCH 1:* BODY[]\r\n${c.tag} UNSELECT\r\n`,
];

/** One command of any state; those that end the session are the plan's to add. */
export const afterLogin = [...anyState, ...authenticated, ...selected];

/** What a correct client sends, and must get an answer to. */
/** @type {readonly Seed[]} */
export const correct = [
  (c) => `${c.tag} NOOP\r\n`,
  (c) => `${c.tag} CAPABILITY\r\n`,
  (c) => `${c.tag} NAMESPACE\r\n`,
  (c) => `${c.tag} SELECT INBOX\r\n`,
  (c) => `${c.tag} EXAMINE missing\r\n`,
  (c) => `${c.tag} ENABLE CONDSTORE\r\n`,
  (c) => `${c.tag} STATUS INBOX (MESSAGES)\r\n`,
  (c) => `${c.tag} LIST "" "${c.mark}"\r\n`,
  (c) => `${c.tag} LIST "" {${c.mark.length}}\r\n${c.mark}\r\n`,
  (c) => `${c.tag} APPEND INBOX (\\Seen) {${c.mark.length + 2}}\r\n\r\n${c.mark}\r\n`,
  (c) => `${c.tag} FETCH 1:* BODY[]\r\n`,
  (c) => `${c.tag} IDLE\r\nDONE\r\n`,
];
