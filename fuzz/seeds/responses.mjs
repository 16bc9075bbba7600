// Owns what a server may say, rightly and wrongly: every kind of response, with every way to break it.

/**
 * @typedef {object} ReplyContext
 * @property {string} tag - of the command that is being answered
 * @property {string} mark - of the session whose command that is
 * @property {import('../random.mjs').Random} random
 */
/** @typedef {(c: ReplyContext) => string} ResponseSeed */

/** What any server may say at any time, or nearly: the session goes on. */
/** @type {readonly ResponseSeed[]} */
export const lawful = [
  (c) => `* ${c.random.below(9)} EXISTS\r\n* 1 RECENT\r\n* 1 EXPUNGE\r\n`,
  (c) => `* FLAGS (\\Seen ${c.mark})\r\n`,
  (c) => `* LIST () "/" "${c.mark}"\r\n`,
  (c) => `* LIST () "/" {${c.mark.length}}\r\n${c.mark}\r\n`,
  () => `* LSUB () NIL {0}\r\n\r\n`,
  (c) => `* STATUS {${c.mark.length}}\r\n${c.mark} (MESSAGES 3)\r\n`,
  (c) => `* SEARCH${' 1234567'.repeat(c.random.pick([0, 3, 2_000, 20_000]))}\r\n`,
  (c) => `* ESEARCH (TAG "${c.tag}") ALL 1:3\r\n`,
  (c) => `* 1 FETCH (BODY[] {${c.mark.length + 4}}\r\n${c.mark}\r\n\r\n UID 1)\r\n`,
  () => `* 1 FETCH (BODY[1] ~{3}\r\n\0\xff\n BODY[2] {0}\r\n ENVELOPE ("x" {2}\r\nab))\r\n`,
  () => `* NAMESPACE (("" "/")) NIL NIL\r\n`,
  () => `* NAMESPACE (({0}\r\n "/")) NIL NIL\r\n`,
  () => '* ID ("name" "x")\r\n',
  () => '* ENABLED CONDSTORE\r\n',
  () => '* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN COMPRESS=DEFLATE LITERAL+ UNSELECT\r\n',
  () => '* OK [CAPABILITY IMAP4rev1 UNAUTHENTICATE LOGIN-REFERRALS] x\r\n',
  (c) =>
    `* OK [${c.random.pick(['ALERT', 'UIDNEXT 4', 'PERMANENTFLAGS (\\*)', 'X {3}', 'CAPABILITY'])}] x {10}\r\n`,
  () => '* OK\r\n',
  (c) => `* LIST () "/" ${'w'.repeat(c.random.pick([100, 130, 20_000, 300_000]))}${c.mark}\r\n`,
  (c) => `* OK ${'w'.repeat(c.random.pick([130, 70_000]))} {5}\r\n`,
  () => `* VANISHED (EARLIER) 41:43\r\n* QUOTA "" (STORAGE 1 2)\r\n* METADATA "" {2}\r\nab\r\n`,
];

/** What answers something, ends something, or breaks something. */
/** @type {readonly ResponseSeed[]} */
export const unlawful = [
  (c) => `* 1 FETCH (BODY[] {${c.random.pick([5, 100, 100_000])}}\r\n${c.mark})\r\n`,
  () => `* 1 FETCH (BODY[] {3+}\r\nabc)\r\n`,
  (c) => `* 1 FETCH (BODY[] {99999999999999999999}\r\n${c.mark}`,
  () => `* 1 FETCH (BODY[] {007}\r\n1234567)\r\n`,
  () => '* ENABLED\r\n',
  () => '* CAPABILITY\r\n',
  () => `* CAPABILITY ${'X-LONG '.repeat(20_000)}\r\n`,
  (c) => `${c.tag} OK [CAPABILITY IMAP4rev1 STARTTLS XIMAPPROXY] x\r\n`,
  (c) => `${c.tag} OK [CAPABILITY IMAP4rev1 ${'X '.repeat(c.random.pick([10, 100, 40_000]))}] x\r\n`,
  (c) => `* ${c.random.pick(['NO', 'BAD', 'PREAUTH', 'ok'])} text {10}\r\n`,
  () => '* BYE [UNAVAILABLE] going down {10}\r\n',
  (c) => `* BYE\r\n${c.tag} OK done\r\n`,
  () => '+ go\r\n',
  () => '+\r\n+ \r\n',
  () => '+x\r\n',
  (c) => `${c.tag} OK done {10}\r\n`,
  (c) => `${c.tag} OK done\r\n${c.tag} OK done again\r\n`,
  (c) => `${c.tag} ${c.random.pick(['NO', 'BAD', 'ok', 'OKAY', 'PREAUTH', ''])} x\r\n`,
  (c) => `${c.tag}x OK done\r\n`,
  () => 'zz OK done\r\n',
  () => '*\r\n',
  () => '\r\n',
  () => 'hello\r\n',
  (c) => `* X-\0\xff ${c.mark}\r\n`,
  (c) => `* LIST () "/" a\r${c.mark}\n`,
  (c) => `${c.tag} OK ${'w'.repeat(c.random.pick([130, 70_000]))}\r\n`,
  (c) => `* 1 FETCH (BODY[] {8}\r\n${c.mark.slice(0, 3)}`,
];

/** Instead of the greeting, or of what comes before the login. */
/** @type {readonly ResponseSeed[]} */
export const beforeLoginResponses = [
  () => '* OK ready\r\n',
  () => '* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n',
  () => '* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready\r\n',
  () => '* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN LITERAL-] ready {10}\r\n',
  () => '* PREAUTH welcome\r\n',
  () => '* BYE too busy\r\n',
  () => '* NO\r\n',
  () => '',
  () => '+ \r\n',
  () => 'A OK\r\n',
  () => '* 1 FETCH (BODY[] {100000}\r\n',
  () => '* OK {3}\r\nabc\r\n',
  () => `* OK ${'w'.repeat(300_000)}`,
  () => `* OK ready\r\n${'* X\r\n'.repeat(3_000)}`,
  () => '\x15\x03\x01\0\x02\x02\x28',
  () => 'HTTP/1.1 400 Bad Request\r\n\r\n',
  (c) => `* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n* BYE ${c.random.pick(['', '[LIMIT] '])}x\r\n`,
  () => '* CAPABILITY ((((((((\r\n',
  () => '* ID ("name" {1000}\r\n',
];

/** Answers to credentials that are not the right ones. */
/** @type {readonly ResponseSeed[]} */
export const loginResponses = [
  (c) => `${c.tag} NO [AUTHENTICATIONFAILED] wrong\r\n`,
  (c) => `${c.tag} NO [LIMIT] busy\r\n`,
  (c) => `${c.tag} NO {10}\r\n`,
  (c) => `${c.tag} BAD what\r\n`,
  (c) => `* BYE busy\r\n${c.tag} NO busy\r\n`,
  (c) => `${c.tag} OK in\r\n* BYE sorry\r\n`,
  (c) => `${c.tag} OK [CAPABILITY] in\r\n`,
  (c) => `* CAPABILITY IMAP4rev1\r\n${c.tag} OK in\r\n`,
  (c) => `* 3 EXISTS\r\n* OK [ALERT] read this {4}\r\n${c.tag} OK in\r\n`,
  () => '+ \r\n',
  () => '+ eyJzdGF0dXMiOiI0MDEifQ==\r\n+ \r\n+ \r\n',
  (c) => `${c.tag} OK in\r\n${c.tag} OK in\r\n`,
  (c) => `${c.tag} OK in\r\n* 1 FET`,
  () => 'zz OK in\r\n',
  () => '',
];
