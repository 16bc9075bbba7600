/** Owns TLS towards clients: the certificate of the moment, and the sockets that go on over TLS with it. */

import type { Socket } from 'node:net';
import { TLSSocket, createSecureContext } from 'node:tls';
import type { SecureContext, SecureVersion } from 'node:tls';

export interface ServerTlsOptions {
  /** The certificate, and those between it and its root; PEM. */
  readonly cert: Buffer;
  /** Without a passphrase; PEM. */
  readonly key: Buffer;
  readonly minVersion: SecureVersion;
}

/** One for all listeners. */
export class ServerTls {
  #context: SecureContext;

  /** @throws Error if OpenSSL can't use them */
  constructor(options: ServerTlsOptions) {
    this.#context = createSecureContext(options);
  }

  /**
   * Shows another certificate from now on; whoever has begun a handshake is not disturbed.
   *
   * @throws Error if OpenSSL can't use it; the one before stays then
   */
  renew(options: ServerTlsOptions): void {
    this.#context = createSecureContext(options);
  }

  /**
   * Goes on over TLS, as the server of it. What was received and is still in the socket's own buffer is taken for TLS.
   *
   * @returns a socket that emits `secure` when the handshake is done; `close`, and nothing else that needs an answer,
   *   if it fails. It owns `socket`, which keeps a listener for errors.
   */
  wrap(socket: Socket): TLSSocket {
    // Until the handshake has begun, an error of the connection is one of this socket, too.
    socket.on('error', () => undefined);
    const secure = new TLSSocket(socket, { isServer: true, secureContext: this.#context });
    // Nobody will answer a client that has ended its half; the socket alone would stay half open.
    const hangUp = (): void => {
      secure.destroy();
    };
    secure.on('end', hangUp);
    // An end that came before the wrapping is told of nowhere else.
    socket.once('end', hangUp);
    secure.once('secure', () => {
      secure.off('end', hangUp);
    });
    // After the handshake Node keeps errors of TLS from a socket that no tls.Server made, and leaves it open: a record that
    // was tampered with would hold a session for half an hour.
    secure.on('_tlsError', (error: Error) => {
      secure.destroy(error);
    });
    return secure;
  }
}
