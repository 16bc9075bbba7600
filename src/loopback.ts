/** Owns the question whether an address is this host's own, as far as an address tells. */

const LOOPBACK = /^(?:::ffff:)?127\.|^::1$/;

/** @param address - as the system writes it: IPv4, IPv6, or IPv4 on an IPv6 socket (`::ffff:127.0.0.1`) */
export function isLoopbackAddress(address: string): boolean {
  return LOOPBACK.test(address);
}
