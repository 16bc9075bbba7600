/** Owns the replies that the proxy gives itself; every one is a whole number of lines. */

import type { Refusal } from '../errors.js';
import { quotable, quoted } from '../wire/string-encoder.js';

export function capabilityReply(tag: string, capabilities: readonly string[]): string {
  return `* CAPABILITY ${capabilities.join(' ')}\r\n${tag} OK Capability completed.\r\n`;
}

/** What the server said of itself (RFC 2971 §3.2); what can't be quoted is left out. */
export function idReply(tag: string, fields: Readonly<Record<string, string>>): string {
  const strings = Object.entries(fields)
    .map((pair) => pair.map((text) => Buffer.from(text)))
    .filter((pair) => pair.every(quotable))
    .flatMap((pair) => pair.map((text) => quoted(text).toString('latin1')));
  return `* ID ${strings.length === 0 ? 'NIL' : `(${strings.join(' ')})`}\r\n${tag} OK ID completed.\r\n`;
}

export function logoutReply(tag: string): string {
  return `* BYE Logging out\r\n${tag} OK Logout completed.\r\n`;
}

/** @param tag - undefined if the client's line had none: then only an untagged BAD can be said */
export function badReply(tag: string | undefined, text: string): string {
  return `${tag ?? '*'} BAD ${text}\r\n`;
}

export function byeReply(text: string, responseCode = ''): string {
  return `* BYE ${responseCode === '' ? '' : `[${responseCode}] `}${text}\r\n`;
}

/** A refusal as the answer to one command; BYE has no tag, so it is sent before the connection ends. */
export function refusalReply(tag: string, refusal: Refusal): string {
  const { responseCode, status, text } = refusal;
  if (status === 'BYE') return byeReply(text, responseCode);
  return `${tag} NO ${responseCode === '' ? '' : `[${responseCode}] `}${text}\r\n`;
}
