// Opens the socket of a raw client: TCP, TLS or a Unix socket.

import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';

/** Where to connect to; `tls` means TLS from the first byte (pass `{}` for the defaults). */
export type RawTarget = (
  | {
      readonly port: number;
      readonly host?: string;
      readonly localAddress?: string;
      readonly tls?: ConnectionOptions;
    }
  | { readonly path: string }
) & {
  /** Keep our side open after the server's FIN. @defaultValue false */
  readonly allowHalfOpen?: boolean;
};

/** Resolves when the connection (and the TLS handshake) is made; rejects with the socket's error. */
export async function openSocket(target: RawTarget): Promise<Socket> {
  const isTls = 'port' in target && target.tls !== undefined;
  const socket = connectTo(target);
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      socket.off('error', reject);
      resolve();
    });
  });
  socket.setNoDelay(true);
  return socket;
}

function connectTo(target: RawTarget): Socket {
  const allowHalfOpen = target.allowHalfOpen ?? false;
  if (!('port' in target)) return connectTcp({ path: target.path, allowHalfOpen });
  const { port, host = '127.0.0.1', localAddress, tls } = target;
  const address = { port, host, allowHalfOpen, ...(localAddress === undefined ? {} : { localAddress }) };
  return tls === undefined ? connectTcp(address) : connectTls({ ...address, ...tls });
}
