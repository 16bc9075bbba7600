/** Owns the block of PROXY version 2: who the client is, and whether it speaks TLS. */

import { plainAddress } from './proxy-facts.js';
import type { ProxyHeader } from './proxy-facts.js';

export const PROXY_V2_SIGNATURE: Buffer = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Signature, version and command, family and protocol, length. */
export const PROXY_V2_HEAD_BYTES = 16;

const VERSION = 2;
const LOCAL = 0;
const PROXY = 1;

/** The header of a connection that is nobody's but the sender's own. */
export const PROXY_V2_LOCAL: Buffer = Buffer.concat([PROXY_V2_SIGNATURE, Buffer.from([0x20, 0, 0, 0])]);

/** By the upper half of the byte behind the command: how long both addresses and ports are. */
const ADDRESS_BYTES = [0, 12, 36, 216] as const;
const INET = 1;
const INET6 = 2;
const STREAM = 1;
const DATAGRAM = 2;

/** PP2_TYPE_SSL, and the bit of its first byte that says that the client speaks TLS. */
const TYPE_SSL = 0x20;
const CLIENT_SSL = 0x01;
/** That byte and the result of the verification. */
const SSL_HEAD_BYTES = 5;

const OWN_ADDRESS: ProxyHeader = Object.freeze({ address: undefined, isTls: false });

/** How many bytes follow the head. */
export function proxyBlockBytes(head: Buffer): number {
  return head.readUInt16BE(14);
}

/**
 * @param header - the head, whose signature was looked at, and all of its block
 * @returns what is wrong with it, as a clause, if anything is
 */
export function readProxyBlock(header: Buffer): ProxyHeader | string {
  const [versionAndCommand, familyAndProtocol] = [header.readUInt8(12), header.readUInt8(13)];
  const command = versionAndCommand & 0x0f;
  if (versionAndCommand >> 4 !== VERSION || command > PROXY)
    return 'a version or command that does not exist';
  // Whoever forwards speaks for itself, to see whether we are there: all the rest means nothing.
  if (command === LOCAL) return OWN_ADDRESS;
  const [family, protocol] = [familyAndProtocol >> 4, familyAndProtocol & 0x0f];
  const addressBytes = ADDRESS_BYTES[family];
  if (addressBytes === undefined || protocol > DATAGRAM) return 'a family or protocol that does not exist';
  if (family === 0 || protocol !== STREAM) return OWN_ADDRESS;
  const block = header.subarray(PROXY_V2_HEAD_BYTES);
  if (block.length < addressBytes) return 'less bytes than its addresses have';
  const isTls = readIsTls(block.subarray(addressBytes));
  return isTls === undefined ? 'fields that do not fit into it' : { address: sourceOf(family, block), isTls };
}

/** The client's address; undefined by a Unix socket. */
function sourceOf(family: number, block: Buffer): string | undefined {
  if (family === INET) return block.subarray(0, 4).join('.');
  if (family !== INET6) return undefined;
  const groups = Array.from({ length: 8 }, (_, at) => block.readUInt16BE(2 * at).toString(16));
  return plainAddress(groups.join(':'), 'ipv6');
}

/** Looks for TLS in the fields of type, length and value; undefined if they are cut off. */
function readIsTls(fields: Buffer): boolean | undefined {
  let isTls = false;
  for (let at = 0; at < fields.length;) {
    if (at + 3 > fields.length) return undefined;
    const [type, length] = [fields.readUInt8(at), fields.readUInt16BE(at + 1)];
    const value = fields.subarray(at + 3, at + 3 + length);
    if (value.length < length || (type === TYPE_SSL && length < SSL_HEAD_BYTES)) return undefined;
    if (type === TYPE_SSL) isTls = (value.readUInt8(0) & CLIENT_SSL) !== 0;
    at += 3 + length;
  }
  return isTls;
}
