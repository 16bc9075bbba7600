// Writes PROXY headers, right ones and wrong ones.

/** The line of version 1. */
export function proxyLine(source: string, destination = source.includes(':') ? '::1' : '127.0.0.1'): Buffer {
  return Buffer.from(
    `PROXY TCP${source.includes(':') ? '6' : '4'} ${source} ${destination} 40000 993\r\n`,
    'latin1',
  );
}

export interface ProxyBlock {
  /** Version and command. @defaultValue 0x21, PROXY */
  readonly command?: number;
  /** Family and protocol. @defaultValue 0x11, TCP over IPv4 */
  readonly family?: number;
  /** Both addresses and ports. @defaultValue 203.0.113.7 to 127.0.0.1 */
  readonly addresses?: Buffer;
  /** Type and value. */
  readonly fields?: readonly (readonly [type: number, value: Buffer])[];
  /** Instead of the length that is right. */
  readonly length?: number;
}

/** Addresses and ports of a block over IPv4. */
export function ipv4Addresses(source: string): Buffer {
  const bytes = [...source.split('.'), '127', '0', '0', '1'].map(Number);
  return Buffer.from([...bytes, 0x9c, 0x40, 0x03, 0xe1]);
}

/** Addresses and ports of a block over IPv6, by the groups of the source in hexadecimal. */
export function ipv6Addresses(...groups: number[]): Buffer {
  const addresses = Buffer.alloc(36);
  for (const [at, group] of groups.entries()) addresses.writeUInt16BE(group, 2 * at);
  addresses.writeUInt8(1, 31);
  addresses.writeUInt16BE(40_000, 32);
  addresses.writeUInt16BE(993, 34);
  return addresses;
}

/** The header of version 2. */
export function proxyBlock(block: ProxyBlock = {}): Buffer {
  const { command = 0x21, family = 0x11, addresses = ipv4Addresses('203.0.113.7'), fields = [] } = block;
  const body = Buffer.concat([
    addresses,
    ...fields.flatMap(([type, value]) => [
      Buffer.from([type, value.length >> 8, value.length & 0xff]),
      value,
    ]),
  ]);
  const head = Buffer.from('\r\n\r\n\0\r\nQUIT\n\0\0\0\0', 'latin1');
  head.writeUInt8(command, 12);
  head.writeUInt8(family, 13);
  head.writeUInt16BE(block.length ?? body.length, 14);
  return Buffer.concat([head, body]);
}

/** PP2_TYPE_SSL; `client` is its first byte. */
export function sslField(client = 0x01): readonly [type: number, value: Buffer] {
  return [0x20, Buffer.from([client, 0, 0, 0, 0, 0x21, 0, 3, 0x54, 0x4c, 0x53])];
}
