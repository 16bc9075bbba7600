// A relay between the proxy and its server that passes all bytes, and kills connections at random when it is told to.

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Random } from './random.js';

/**
 * What a doomed connection waits for before it dies: then the server has run a command, and nobody hears its answer.
 * `append` waits for an APPEND first, the command that may least of all be run twice.
 */
type Doom = 'none' | 'append' | 'answer';

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  readonly kill: () => void;
  doom: Doom;
}

/** The caller must `stop()` it. */
export class KillingRelay {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  /** Connections that it has killed. */
  kills = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(target: { readonly host: string; readonly port: number }): Promise<KillingRelay> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const relay = new KillingRelay(server);
    server.on('connection', (near) => {
      relay.#join(near, connect({ ...target, allowHalfOpen: true, noDelay: true }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return relay;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the relay does not listen');
    return address.port;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#pairs.size;
  }

  /** Kills one connection, by FIN or RST: at once, whatever is on its way, or instead of an answer. */
  killOne(random: Random): void {
    if (this.#pairs.size === 0) return;
    const pair = random.pick([...this.#pairs]);
    const doom = random.pick<Doom>(['none', 'append', 'append', 'answer']);
    if (doom === 'none') pair.kill();
    else pair.doom = doom;
  }

  async stop(): Promise<void> {
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(near: Socket, far: Socket): void {
    const kill = (): void => {
      this.kills += 1;
      this.#pairs.delete(pair);
      const isReset = this.kills % 2 === 0;
      for (const socket of [near, far]) {
        if (isReset) socket.resetAndDestroy();
        else socket.destroy();
      }
    };
    const pair: Pair = { near, far, kill, doom: 'none' };
    this.#pairs.add(pair);
    near.pipe(far);
    near.on('data', (chunk: Buffer) => {
      if (pair.doom === 'append' && chunk.includes(' APPEND ')) pair.doom = 'answer';
    });
    far.on('data', (chunk: Buffer) => {
      if (pair.doom === 'answer') kill();
      else if (!near.write(chunk)) far.pause();
    });
    near.on('drain', () => far.resume());
    far.on('end', () => near.end());
    for (const socket of [near, far]) {
      // The other side's end follows from the close.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#pairs.delete(pair);
        near.destroy();
        far.destroy();
      });
    }
  }
}
