// A server in front of another one that waits for its client to close, so that TIME_WAIT is always the client's.

import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

const AT_A_TIME = 64;

export class PatientServer {
  readonly host = '127.0.0.1';
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  /** Says nothing to new clients, and asks nobody. */
  #isMute = false;

  private constructor(behindPort: number) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      this.#clients.add(client);
      client.on('error', () => undefined).on('close', () => this.#clients.delete(client));
      client.on('end', () => client.end());
      if (this.#isMute) client.resume();
      else relay(client, behindPort);
    });
  }

  /** The caller must `close()` it. */
  static async inFrontOf(port: number): Promise<PatientServer> {
    const patient = new PatientServer(port);
    await new Promise<void>((resolve, reject) => {
      patient.#server.once('error', reject);
      patient.#server.listen({ host: patient.host, port: 0, backlog: 511 }, resolve);
    });
    return patient;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Another program's connections, each closed by it at once: so many more are in TIME_WAIT then. */
  async leaveTimeWait(count: number): Promise<void> {
    this.#isMute = true;
    let left = count;
    const worker = async (): Promise<void> => {
      while (left-- > 0) await this.#openAndClose();
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    this.#isMute = false;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  #openAndClose(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: this.port, host: this.host });
      socket.once('connect', () => {
        socket.end();
      });
      socket.once('error', reject);
      socket.once('close', () => {
        resolve();
      });
      socket.resume();
    });
  }
}

function relay(client: Socket, behindPort: number): void {
  const behind = connect({ port: behindPort, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  client.on('data', (chunk) => behind.write(chunk));
  behind.on('data', (chunk) => client.write(chunk));
  client.on('close', () => {
    behind.destroy();
  });
  // The client hears nothing of that, and the other server isn't left half-closed.
  behind.on('end', () => behind.end());
  behind.on('error', () => {
    client.destroy();
  });
}
