/** Owns what a PROXY header says: who the client is, with one text for one address, as the system writes those of its sockets. */

import { SocketAddress, isIPv4, isIPv6 } from 'node:net';

import { unmapped } from './mapped-address.js';

/** What whoever forwards the connection says of the client. */
export interface ProxyHeader {
  /** Where the client is; undefined: nothing is said, so that the connection's own address counts. */
  readonly address: string | undefined;
  /** Whether the client speaks TLS with whoever forwards it. */
  readonly isTls: boolean;
}

/** @returns undefined if the text is no address of this family; an IPv4 address in IPv6 clothes is given without them */
export function plainAddress(text: string, family: 'ipv4' | 'ipv6'): string | undefined {
  if (family === 'ipv4') return isIPv4(text) ? text : undefined;
  // A zone is of no meaning on another machine.
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return unmapped(new SocketAddress({ address: text, family }).address);
}
