/**
 * Owns the reading of a PROXY header from the first bytes of a connection, in either version, however the network cut it
 * (https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt).
 */

import type { ProxyHeader } from './proxy-facts.js';
import { readProxyLine } from './proxy-v1.js';
import { PROXY_V2_HEAD_BYTES, PROXY_V2_SIGNATURE, proxyBlockBytes, readProxyBlock } from './proxy-v2.js';

/** Which versions a listener takes. */
export type ProxyVersions = 'v1' | 'v2' | 'any';

/**
 * - `more`: not complete yet.
 * - `bad`: no header of a version that is taken; nothing that follows is to be believed.
 * - `header`: complete; `rest` is what came behind it, a view of what was pushed last.
 */
export type ProxyRead =
  | { readonly kind: 'more' }
  | { readonly kind: 'bad'; readonly reason: string }
  | { readonly kind: 'header'; readonly header: ProxyHeader; readonly rest: Buffer };

/** The longest line of version 1; its own limit of 107 is for lines that say something. */
export const MAX_PROXY_LINE_BYTES = 536;
/** The longest block of version 2 behind its head; certificates of clients may be in it. */
export const MAX_PROXY_BLOCK_BYTES = 4_096;

const LF = 0x0a;
const PROXY_V1_SIGNATURE = Buffer.from('PROXY ');
const MORE: ProxyRead = Object.freeze({ kind: 'more' });

/** For one connection. */
export class ProxyHeaderReader {
  readonly #versions: ProxyVersions;
  /** What is known to belong to the header. */
  #held: Buffer = Buffer.alloc(0);

  constructor(versions: ProxyVersions) {
    this.#versions = versions;
  }

  /** Takes what was received; not to be called again after anything but `more`. */
  push(chunk: Buffer): ProxyRead {
    const first = this.#held[0] ?? chunk[0];
    if (first === undefined) return MORE;
    if (this.#versions !== 'v2' && first === PROXY_V1_SIGNATURE[0]) return this.#pushLine(chunk);
    if (this.#versions !== 'v1' && first === PROXY_V2_SIGNATURE[0]) return this.#pushBlock(chunk);
    return noHeader(this.#versions);
  }

  #pushLine(chunk: Buffer): ProxyRead {
    const lf = chunk.indexOf(LF);
    const end = lf === -1 ? chunk.length : lf + 1;
    if (this.#held.length + end > MAX_PROXY_LINE_BYTES)
      return { kind: 'bad', reason: `a line of more than ${MAX_PROXY_LINE_BYTES} bytes` };
    this.#hold(chunk.subarray(0, end));
    if (!this.#begins(PROXY_V1_SIGNATURE)) return noHeader(this.#versions);
    return lf === -1 ? MORE : answer(readProxyLine(this.#held), chunk.subarray(end));
  }

  #pushBlock(chunk: Buffer): ProxyRead {
    let at = 0;
    const holdUpTo = (size: number): boolean => {
      const end = Math.min(chunk.length, at + size - this.#held.length);
      this.#hold(chunk.subarray(at, end));
      at = end;
      return this.#held.length === size;
    };
    if (this.#held.length < PROXY_V2_HEAD_BYTES) {
      const hasHead = holdUpTo(PROXY_V2_HEAD_BYTES);
      if (!this.#begins(PROXY_V2_SIGNATURE)) return noHeader(this.#versions);
      if (!hasHead) return MORE;
    }
    const blockBytes = proxyBlockBytes(this.#held);
    if (blockBytes > MAX_PROXY_BLOCK_BYTES)
      return { kind: 'bad', reason: `${blockBytes} bytes, and ${MAX_PROXY_BLOCK_BYTES} are the limit` };
    if (!holdUpTo(PROXY_V2_HEAD_BYTES + blockBytes)) return MORE;
    return answer(readProxyBlock(this.#held), chunk.subarray(at));
  }

  /** A header that comes in one piece is not copied. */
  #hold(bytes: Buffer): void {
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
  }

  /** Whether what is there is the beginning of a signature, or begins with it. */
  #begins(signature: Buffer): boolean {
    const length = Math.min(signature.length, this.#held.length);
    return this.#held.subarray(0, length).equals(signature.subarray(0, length));
  }
}

function noHeader(versions: ProxyVersions): ProxyRead {
  return {
    kind: 'bad',
    reason: `no PROXY header${versions === 'any' ? '' : ` of version ${versions.slice(1)}`}`,
  };
}

function answer(header: ProxyHeader | string, rest: Buffer): ProxyRead {
  return typeof header === 'string' ? { kind: 'bad', reason: header } : { kind: 'header', header, rest };
}
