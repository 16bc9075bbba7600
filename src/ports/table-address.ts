/** Owns how an IP address is written in /proc/net/tcp and tcp6: words of four bytes, in the machine's own order. */

import { isIPv4, isIPv6 } from 'node:net';
import { endianness } from 'node:os';

const IS_LITTLE_ENDIAN = endianness() === 'LE';

/** Hexadecimal digits of an IPv4 and of an IPv6 address. */
export const DIGITS = { v4: 8, v6: 32 } as const;

/** The first 24 digits of an IPv4 address that an IPv6 socket uses (RFC 4291 §2.5.5.2). */
export const MAPPED_PREFIX = hexOf([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);

/**
 * The digits of an address, upper case: 8 for IPv4 and for IPv4 written as IPv6, else 32.
 *
 * @param address - without brackets; a zone is not looked at
 * @returns undefined if that is no IP address
 */
export function tableAddress(address: string): string | undefined {
  const [plain = ''] = address.split('%');
  if (isIPv4(plain)) return hexOf(bytesOfIpv4(plain));
  if (!isIPv6(plain)) return undefined;
  const digits = hexOf(bytesOfIpv6(plain));
  return digits.startsWith(MAPPED_PREFIX) ? digits.slice(MAPPED_PREFIX.length) : digits;
}

function bytesOfIpv4(address: string): number[] {
  return address.split('.').map(Number);
}

/** Of an address that is known to be right. */
function bytesOfIpv6(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const front = bytesOfGroups(head);
  if (tail === undefined) return front;
  const back = bytesOfGroups(tail);
  return [...front, ...new Array<number>(16 - front.length - back.length).fill(0), ...back];
}

function bytesOfGroups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return bytesOfIpv4(group);
    const value = parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

function hexOf(bytes: readonly number[]): string {
  let digits = '';
  for (let at = 0; at < bytes.length; at += 4) {
    const word = bytes.slice(at, at + 4);
    if (IS_LITTLE_ENDIAN) word.reverse();
    digits += Buffer.from(word).toString('hex').toUpperCase();
  }
  return digits;
}
