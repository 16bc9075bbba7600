/** Owns the counting of local ports in the lines of /proc/net/tcp and tcp6, without a string per line that is not ours. */

import { DIGITS, MAPPED_PREFIX, tableAddress } from './table-address.js';

/** One address of a server. */
export interface RemoteEndpoint {
  /** IPv4 or IPv6, never a name. */
  readonly address: string;
  readonly port: number;
}

/** Local ports, each with its local address. */
export interface PortUse {
  /** In any state in which the port is taken, but TIME_WAIT. */
  readonly open: number;
  readonly timeWait: number;
}

const NEWLINE = 0x0a;
const COLON = 0x3a;
const PORT_DIGITS = 4;

/** States of include/net/tcp_states.h, as the two digits of the column `st`. */
const TIME_WAIT = 0x06;
const CLOSE = 0x07;
const LISTEN = 0x0a;

/** What is known of a local port, in the order of what wins. */
const IS_FREE = 0;
const IS_IN_TIME_WAIT = 1;
const IS_OPEN = 2;

/**
 * Counts each local port once: one that has a connection to another address of the server too, or that moved within
 * the table while that was being read, is seen twice.
 */
export class SocketTally {
  /** Digits of the address, `:` and digits of the port. */
  readonly #endpoints = new Set<string>();
  readonly #ports = new Set<number>();
  /** By local address: one byte for each port. */
  readonly #seen = new Map<string, Uint8Array>();
  #open = 0;
  #timeWait = 0;

  /** @param endpoints - one whose address is none is left out: no socket can lead there */
  constructor(endpoints: readonly RemoteEndpoint[]) {
    for (const { address, port } of endpoints) {
      const digits = tableAddress(address);
      if (digits === undefined) continue;
      this.#endpoints.add(`${digits}:${port}`);
      this.#ports.add(port);
    }
  }

  get hasEndpoints(): boolean {
    return this.#endpoints.size > 0;
  }

  get use(): PortUse {
    return { open: this.#open, timeWait: this.#timeWait };
  }

  /**
   * Takes the whole lines of what was read, and moves the rest to the front of the buffer.
   *
   * @param length - how much of the buffer is filled
   * @param addressDigits - 8 in tcp, 32 in tcp6
   * @returns how many bytes of a line that has no end yet are at the front now
   */
  take(buffer: Buffer, length: number, addressDigits: number): number {
    const filled = buffer.subarray(0, length);
    let start = 0;
    for (let end = filled.indexOf(NEWLINE); end >= 0; end = filled.indexOf(NEWLINE, start)) {
      this.#takeLine(filled, start, end, addressDigits);
      start = end + 1;
    }
    buffer.copyWithin(0, start, length);
    return length - start;
  }

  /** `   0: 0100007F:925F 00000000:0000 0A ...`: number, local, remote, state. The line of titles has no colon. */
  #takeLine(buffer: Buffer, start: number, end: number, addressDigits: number): void {
    let at = start;
    while (at < end && buffer[at] !== COLON) at += 1;
    const local = at + 2;
    const localPort = local + addressDigits + 1;
    const remote = localPort + PORT_DIGITS + 1;
    const remotePort = remote + addressDigits + 1;
    const state = remotePort + PORT_DIGITS + 1;
    if (state + 2 > end) return;
    const port = hex(buffer, remotePort, PORT_DIGITS);
    if (!this.#ports.has(port)) return;
    if (!this.#endpoints.has(`${addressAt(buffer, remote, addressDigits)}:${port}`)) return;
    this.#see(
      addressAt(buffer, local, addressDigits),
      hex(buffer, localPort, PORT_DIGITS),
      hex(buffer, state, 2),
    );
  }

  #see(localAddress: string, localPort: number, state: number): void {
    if (state === LISTEN || state === CLOSE) return;
    let ports = this.#seen.get(localAddress);
    if (ports === undefined) this.#seen.set(localAddress, (ports = new Uint8Array(65_536)));
    const before = ports[localPort] ?? IS_FREE;
    const after = state === TIME_WAIT ? IS_IN_TIME_WAIT : IS_OPEN;
    if (after <= before) return;
    ports[localPort] = after;
    if (before === IS_IN_TIME_WAIT) this.#timeWait -= 1;
    if (after === IS_OPEN) this.#open += 1;
    else this.#timeWait += 1;
  }
}

/** The digits of an address as {@link tableAddress} gives them: an IPv4 one is the same in both tables. */
function addressAt(buffer: Buffer, at: number, addressDigits: number): string {
  const digits = buffer.toString('latin1', at, at + addressDigits);
  return addressDigits === DIGITS.v6 && digits.startsWith(MAPPED_PREFIX)
    ? digits.slice(MAPPED_PREFIX.length)
    : digits;
}

/** The kernel writes digits and upper-case letters. */
function hex(buffer: Buffer, at: number, digits: number): number {
  let value = 0;
  for (let index = at; index < at + digits; index += 1) {
    const byte = buffer[index] ?? 0;
    value = value * 16 + (byte < 0x40 ? byte - 0x30 : byte - 0x37);
  }
  return value;
}
