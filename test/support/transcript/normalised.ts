// Takes out of an answer what differs between two direct sessions of two users; and does what the proxy's filter does.

/** What no logged-in client is offered: it would change the layer or the identity of a pooled connection. */
const FILTERED =
  / (?:STARTTLS|AUTH=\S+|LOGINDISABLED|COMPRESS=DEFLATE|LOGIN-REFERRALS|UNAUTHENTICATE)(?=[ \r\]]|$)/g;

/**
 * Marked and Unmarked are hints that Dovecot takes from the times of files.
 *
 * @param user - the session's own; another user's name stays, and shows
 */
export function normalised(line: string, user: string): string {
  return line
    .replaceAll(user, 'USER')
    .replaceAll(/ \(\d+\.\d{3} \+ [^)]*secs\)/g, '')
    .replaceAll(/(UIDVALIDITY|APPENDUID|COPYUID) \d+/g, '$1 N')
    .replaceAll(/"[ \d]\d-[A-Z][a-z]{2}-20(?:2[5-9]|[3-9]\d) [^"]{14}"/g, '"NOW"')
    .replaceAll(/ ?\\(?:Un)?Marked\b/gi, '')
    .replaceAll(/:internal:[0-9a-f]+/g, ':internal:TOKEN');
}

/** What a line of a direct session is to be through the proxy: nothing else may change on the way. */
export function filtered(line: string): string {
  return /^(?:\* CAPABILITY |\S+ OK \[CAPABILITY )/.test(line) ? line.replaceAll(FILTERED, '') : line;
}
