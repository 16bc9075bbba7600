/** Owns the questions about where an address is: in one of a list of networks, or on this machine. */

import { BlockList, isIPv4, isIPv6 } from 'node:net';

import { unmapped } from './mapped-address.js';

export class NetworkList {
  readonly #list = new BlockList();

  /** @param networks - addresses or CIDR networks, IPv4 and IPv6 */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = '', prefix] = network.split('/');
      const family = isIPv4(address) ? 'ipv4' : 'ipv6';
      if (prefix === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(prefix), family);
    }
  }

  /** IPv4 addresses in IPv6 clothes are looked up as IPv4. */
  has(address: string): boolean {
    const plain = unmapped(address);
    if (isIPv4(plain)) return this.#list.check(plain, 'ipv4');
    return isIPv6(plain) && this.#list.check(plain, 'ipv6');
  }
}

/** Whether a host can be reached from this machine alone. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}
