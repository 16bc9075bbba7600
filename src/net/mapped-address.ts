/** Owns IPv4 addresses in IPv6 clothes, `::ffff:10.0.0.1` (RFC 4291 §2.5.5.2). */

/** The IPv4 address alone; every other text as it is. */
export function unmapped(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}
