/** Owns how the list of listeners is written in the environment. */
import { BadValue } from '../bad-value.js';
import { hostAndPort } from './host.js';
import type { HostAndPort } from './host.js';

/** Which PROXY headers a listener takes; without any it takes none. */
export type ProxyOption = 'v1' | 'v2' | 'any';

/** Where to accept clients: a TCP address, or a Unix socket's path. */
export type ListenAddress =
  | ({
      readonly kind: 'tcp';
      /** Whether clients speak TLS from the start (`imaps://`). */
      readonly isTls: boolean;
      readonly proxy?: ProxyOption;
    } & HostAndPort)
  | {
      readonly kind: 'unix';
      readonly path: string;
      readonly proxy?: ProxyOption;
      /** Permission bits of the socket file; undefined leaves them to the umask. */
      readonly mode?: number;
      /** Group name or number that gets the socket file; undefined leaves it as it is. */
      readonly group?: string;
    };

/** Linux has 108 bytes for the path and its final NUL, and cuts longer ones silently in some places. */
const maxUnixPathBytes = 107;

function proxyOption(query: URLSearchParams): { readonly proxy?: ProxyOption } {
  const proxy = query.get('proxy');
  if (proxy === null) return {};
  if (proxy !== 'v1' && proxy !== 'v2' && proxy !== 'any')
    throw new BadValue('the PROXY header of a listener must be v1, v2 or any (proxy=v2)');
  return { proxy };
}

function refuseUnknown(query: URLSearchParams, known: readonly string[]): void {
  for (const key of new Set(query.keys())) {
    if (!known.includes(key)) throw new BadValue(`it has an unknown option, ${JSON.stringify(key)}`);
    if (query.getAll(key).length > 1) throw new BadValue(`it has the option ${key} more than once`);
  }
}

function tcpAddress(rest: string, isTls: boolean, query: URLSearchParams): ListenAddress {
  refuseUnknown(query, ['proxy']);
  return { kind: 'tcp', isTls, ...hostAndPort(rest.replace(/\/$/, '')), ...proxyOption(query) };
}

function unixAddress(path: string, query: URLSearchParams): ListenAddress {
  refuseUnknown(query, ['mode', 'group', 'proxy']);
  if (!path.startsWith('/') || path.endsWith('/')) {
    throw new BadValue('a Unix socket needs an absolute path (unix:/run/imapbouncer/imap.sock)');
  }
  if (Buffer.byteLength(path) > maxUnixPathBytes) {
    throw new BadValue(`the path of a Unix socket must have at most ${maxUnixPathBytes} bytes`);
  }
  const mode = query.get('mode');
  if (mode !== null && !/^0?[0-7]{3}$/.test(mode)) {
    throw new BadValue('the mode of a Unix socket must be three octal digits (mode=0660)');
  }
  const group = query.get('group');
  if (group !== null && !/^[a-z0-9_][a-z0-9_.-]{0,31}$/i.test(group)) {
    throw new BadValue('the group of a Unix socket must be the name or number of a group (group=www-data)');
  }
  return {
    kind: 'unix',
    path,
    ...(mode === null ? {} : { mode: Number.parseInt(mode, 8) }),
    ...(group === null ? {} : { group }),
    ...proxyOption(query),
  };
}

function listenAddress(item: string): ListenAddress {
  const [address = '', ...queryParts] = item.split('?');
  const query = new URLSearchParams(queryParts.join('?'));

  const match = /^(?<scheme>[a-z]+):(?<rest>.*)$/.exec(address);
  const rest = match?.groups?.['rest'] ?? '';
  const scheme = match?.groups?.['scheme'];
  if ((scheme === 'imap' || scheme === 'imaps') && rest.startsWith('//'))
    return tcpAddress(rest.slice(2), scheme === 'imaps', query);
  if (scheme === 'unix') return unixAddress(rest.replace(/^\/\/(?=\/)/, ''), query);
  throw new BadValue(
    'each listener must be imap://host:port, imaps://host:port or unix:/path?mode=0660&group=www-data (commas between several)',
  );
}

function identity(address: ListenAddress): string {
  return address.kind === 'tcp' ? JSON.stringify([address.host, address.port]) : address.path;
}

/**
 * Parses a comma-separated list of `imap://host:port` and `imaps://host:port` (port 0: any free port) and
 * `unix:/path?mode=0660&group=www-data`, each perhaps with `proxy=`.
 *
 * @returns at least one address
 * @throws BadValue for anything else, and for an address that is there twice
 */
export function listen(text: string): readonly ListenAddress[] {
  const addresses = text.split(',').map((item) => listenAddress(item.trim()));
  const fixed = addresses.filter((address) => address.kind === 'unix' || address.port !== 0);
  if (new Set(fixed.map(identity)).size < fixed.length) {
    throw new BadValue('each listener must be there only once');
  }
  return addresses;
}
