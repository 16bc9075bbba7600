/** Owns the making of a socket table as Linux writes it, for tests. */

import { tableAddress } from '../../../src/ports/table-address.js';

export interface TableRow {
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
  readonly remotePort: number;
  /** As in include/net/tcp_states.h. */
  readonly state: number;
  /** Writes IPv4 addresses as IPv6 sockets have them. */
  readonly isMapped?: boolean;
}

const TITLES =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

export function tableText(rows: readonly TableRow[]): string {
  return `${[TITLES.padEnd(149), ...rows.map(line)].join('\n')}\n`;
}

function line(row: TableRow, number: number): string {
  const { local, localPort, remote, remotePort, state, isMapped = false } = row;
  const at = (address: string, port: number): string => `${digits(address, isMapped)}:${hex(port, 4)}`;
  return `${String(number).padStart(4)}: ${at(local, localPort)} ${at(remote, remotePort)} ${hex(state, 2)} 00000000:00000000 00:00000000 00000000     0        0 5342117 1 00000000939dc1b3 100 0 0 10 0`.padEnd(
    149,
  );
}

function digits(address: string, isMapped: boolean): string {
  const plain = tableAddress(address) ?? '';
  return isMapped ? `0000000000000000FFFF0000${plain}` : plain;
}

function hex(value: number, length: number): string {
  return value.toString(16).toUpperCase().padStart(length, '0');
}
