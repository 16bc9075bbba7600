/** Owns how a host, a port and the two together are written in the environment. */
import { isIP, isIPv6 } from 'node:net';
import { BadValue } from '../bad-value.js';

/** Where to connect to, or where to listen. `host` is a name or an address without brackets. */
export interface HostAndPort {
  readonly host: string;
  /** 0 when listening means any free port. */
  readonly port: number;
}

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;

/** Whether `text` can be looked up in DNS. `10.0.0.256` can't: a name's last label is never a number. */
export function isHostName(text: string): boolean {
  const labels = text.replace(/\.$/, '').split('.');
  return text.length <= 253 && labels.every((part) => label.test(part)) && !/^\d+$/.test(labels.at(-1) ?? '');
}

/**
 * Parses a host name, an IPv4 address or an IPv6 address (with or without brackets).
 *
 * @throws BadValue for anything else, such as a URL or `host:port`
 */
export function host(text: string): string {
  const bare = /^\[(.*)\]$/.exec(text)?.[1];
  if (bare === undefined ? isIP(text) !== 0 || isHostName(text) : isIPv6(bare)) return bare ?? text;
  throw new BadValue('it must be a host name or an address, without a scheme and without a port');
}

/**
 * Parses a host name that isn't an address.
 *
 * @throws BadValue for anything else
 */
export function hostName(text: string): string {
  if (isHostName(text)) return text;
  throw new BadValue('it must be a host name');
}

/**
 * Parses `host:port`, with an IPv6 address in brackets, for a listener. Port 0 is any free port.
 *
 * @throws BadValue that says which of the two is wrong
 */
export function hostAndPort(text: string): HostAndPort {
  const match = /^(?<host>\[[^\]]*\]|[^:[\]]*):(?<port>\d{1,5})$/.exec(text);
  if (match?.groups === undefined) {
    const advice = isIPv6(text.replace(/:\d+$/, '')) ? ', with the IPv6 address in brackets' : '';
    throw new BadValue(`it must be host:port${advice} (127.0.0.1:1143, [::1]:1143)`);
  }
  const port = Number(match.groups['port']);
  if (port > 65_535) throw new BadValue('its port must be from 0 to 65535');
  const hostText = match.groups['host'] ?? '';
  if (hostText === '' || hostText === '*') {
    throw new BadValue('it must name a host; all addresses are 0.0.0.0 (IPv4) or [::] (both)');
  }
  return { host: host(hostText), port };
}
