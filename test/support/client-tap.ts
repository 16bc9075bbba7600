// Sits between a mail client and its server: passes every byte on, and keeps the commands that the client sent.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** One listening port in front of a server on this machine. The caller must `close()` it. */
export class ClientTap {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** What clients sent, one entry a connection. */
  readonly #sent: SentBytes[] = [];

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client) => {
      this.#join(client, targetPort);
    });
  }

  static async open(targetPort: number): Promise<ClientTap> {
    // Half-closed as each side closes: neither may see an end that the other has not made.
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ClientTap(server, targetPort);
  }

  /** How many connections clients have made. */
  get connections(): number {
    return this.#sent.length;
  }

  /** All commands so far, without their tags, connection after connection. Of no use with TLS. */
  get commands(): string[] {
    return this.#sent.flatMap(({ commands }) => commands);
  }

  /** Ends what is still open, and listens no more; safe to call twice. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, targetPort: number): void {
    const sent = new SentBytes();
    this.#sent.push(sent);
    const server = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
    client.on('data', (chunk: Buffer) => {
      sent.add(chunk);
    });
    server.on('data', (chunk: Buffer) => {
      sent.answered(chunk);
    });
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.pipe(to);
      // A reset on one side is one on the other; the tests look at what comes of it.
      from.on('error', () => undefined);
      from.on('close', (hadError) => {
        this.#sockets.delete(from);
        if (hadError) to.resetAndDestroy();
      });
    }
  }
}

/** What one client sent. */
class SentBytes {
  #bytes = Buffer.alloc(0);
  /** Where literals would have begun that the server refused: their bytes were never sent. */
  readonly #refusedAt = new Set<number>();

  add(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
  }

  answered(chunk: Buffer): void {
    const isWaiting = /\{\d+\}\r\n$/.test(this.#bytes.toString('latin1', this.#bytes.length - 30));
    if (isWaiting && !/^\+/m.test(chunk.toString('latin1'))) this.#refusedAt.add(this.#bytes.length);
  }

  /** Lines with `{size}` in the place of literals; without SASL's lines, which are secrets. */
  get commands(): string[] {
    const bytes = this.#bytes;
    const commands: string[] = [];
    let command = '';
    for (let at = 0; at < bytes.length;) {
      const end = bytes.indexOf('\r\n', at);
      const line = bytes.toString('latin1', at, end === -1 ? bytes.length : end);
      at += line.length + 2;
      command += line;
      const size = /\{(\d+)\+?\}$/.exec(line)?.[1];
      if (size !== undefined && !this.#refusedAt.has(at)) {
        at += Number(size);
        continue;
      }
      if (command.includes(' ') || command === 'DONE') commands.push(command.replace(/^\S+ /, ''));
      command = '';
    }
    return commands;
  }
}
