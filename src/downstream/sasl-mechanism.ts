/** Owns what a SASL mechanism is to the login phase: an exchange of responses that ends in credentials. */

import type { Credentials } from '../identity.js';

/** The end of an exchange. */
export type SaslEnd =
  | { readonly kind: 'credentials'; readonly credentials: Credentials }
  | { readonly kind: 'malformed'; readonly reason: string };

/** A step of an exchange: ask the client for a line, or be done. */
export type SaslStep = { readonly kind: 'challenge'; readonly text: string } | SaslEnd;

/** One exchange; each call takes the client's next response, decoded. */
export type SaslExchange = (response: Buffer) => SaslStep;

export interface SaslMechanism {
  /** The challenge that asks for the first response, if the client sent none: base64. */
  readonly firstChallenge: string;
  begin(): SaslExchange;
}

export const malformed = (reason: string): SaslEnd => ({ kind: 'malformed', reason });

/** NUL, SOH, LF and CR: what separates the fields of messages and the lines of a log. */
export function hasForbiddenByte(bytes: Buffer): boolean {
  return [0x00, 0x01, 0x0a, 0x0d].some((byte) => bytes.includes(byte));
}
