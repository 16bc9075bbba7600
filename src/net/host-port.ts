/** Owns how a host and a port are written together. */

/** `host:port`; an IPv6 address gets its brackets (RFC 3986 §3.2.2). */
export function hostPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
