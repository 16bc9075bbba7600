/** Owns the hiding of a secret in a server's words: some servers quote the command that they refuse. */

import type { Credentials } from '../identity.js';
import { quotable, quoted } from '../wire/string-encoder.js';

const HIDDEN = '(hidden)';
/**
 * What stands in many sentences by chance. If "wrong" were hidden in "wrong user or password", the gap would give it away:
 * the rest of the sentence is well known.
 */
const PLAIN_WORD = /^(?:.{1,3}|[a-z]{4,14})$/is;
/** Of a secret that is cut off, this much is looked for. */
const MAX_CUT_OFF = 256;
/** For quotation marks between, and for what stands behind a quotation that was cut off. */
const ROOM_FOR_DOTS = 12;
/** Any alphabet of Base64, and what may stand before it without a space. */
const BASE64 = /[\w+/-]{4,}=*/g;

/**
 * The words without the secret in any form in which a login sends it: as it is, as a quoted string, and in Base64, alone or
 * with what PLAIN and the mechanisms for tokens have around it. A {@link PLAIN_WORD} is hidden only where nothing but a quoted command can have put it.
 *
 * @param words - of the server, as latin1
 * @param credentials - as they were sent: not yet overwritten
 */
export function withoutSecret(words: string, credentials: Credentials): string {
  const secret = credentials.secret.toString('latin1');
  if (secret === '') return words;
  const name = credentials.authenticationId.toString('latin1');
  const forms = quotable(credentials.secret)
    ? [quoted(credentials.secret).toString('latin1').slice(1, -1), secret]
    : [secret];
  const decoded = words.replace(BASE64, (token) => (isMessage(token, name, secret) ? HIDDEN : token));
  const any = forms.map(literally).join('|');
  // Upper case too: some servers quote a command as they have read it.
  const pattern = PLAIN_WORD.test(secret) ? `(?<=["'=<]|${behind(name)})(?:${any})(?!\\w)` : any;
  return cutOff(decoded.replace(new RegExp(pattern, 'gi'), HIDDEN), name, forms);
}

/** Whether it is Base64 with the secret in it, or of a message that has it, perhaps cut off, whatever comes first: four ways to align it. */
function isMessage(token: string, name: string, secret: string): boolean {
  return [0, 1, 2, 3].some((start) => {
    const bytes = Buffer.from(token.slice(start), 'base64').toString('latin1');
    if (bytes.includes(`\0${name}\0`) || bytes.includes('auth=Bearer ') || bytes === secret) return true;
    return secret.length > 3 && bytes.includes(secret);
  });
}

/** The words without the beginning of the secret at their end, where a server quotes no more of LOGIN than so many bytes. */
function cutOff(words: string, name: string, forms: readonly string[]): string {
  // A beginning can't be longer than the whole; the bound is for servers that would keep us busy.
  const longest = Math.min(MAX_CUT_OFF, Math.max(...forms.map((form) => form.length)));
  const from = Math.max(0, words.length - name.length - longest - ROOM_FOR_DOTS);
  for (const match of words.slice(from).matchAll(new RegExp(behind(name), 'gi'))) {
    const start = from + match.index + match[0].length;
    const rest = words
      .slice(start)
      .replace(/\W{1,8}$/, '')
      .toLowerCase();
    const isBeginning = rest !== '' && forms.some((form) => form.toLowerCase().startsWith(rest));
    if (isBeginning) return `${words.slice(0, start)}${HIDDEN}`;
  }
  return words;
}

/** What stands before the secret in LOGIN; nothing, where there is no name to tell it by. */
function behind(name: string): string {
  return name === '' ? '(?!)' : `${literally(name)}"? "?`;
}

/** A pattern for exactly this text. */
function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
