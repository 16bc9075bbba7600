import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FramedSocket } from '../../../src/net/framed-socket.js';
import { LineFramer } from '../../../src/wire/line-framer.js';
import { Changes } from '../../support/changes.js';

let server: Server;
let peer: Socket;
let framed: FramedSocket;
let faults: unknown[];
let events: string[];
let changes: Changes;

beforeEach(async () => {
  faults = [];
  events = [];
  changes = new Changes();
  server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  peer = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  peer.on('error', () => undefined);
  const note = (event: string): void => {
    events.push(event);
    changes.notify();
  };
  framed = new FramedSocket((await accepted)[0], new LineFramer(), (error) => faults.push(error));
  framed.listener = {
    onInput: () => note('input'),
    onEnd: () => note('end'),
    onDrain: () => note('drain'),
    onClose: () => note('close'),
  };
});

afterEach(async () => {
  peer.destroy();
  framed.destroy();
  await seen('close');
  server.close();
  await once(server, 'close');
});

const seen = (event: string): Promise<true> =>
  changes.until(
    () => (events.includes(event) ? true : undefined),
    () => `${event}, so far ${events.join(' ')}`,
  );

describe('reading', () => {
  test('begins with resume, and gives what came to the framer', async () => {
    peer.write('a NOOP\r\n');
    expect(events).toEqual([]);
    framed.resume();
    await seen('input');
    expect(framed.framer.next()).toBe(true);
    expect(framed.bytesReceived).toBe(8);
  });

  test('stops while much is unread, and goes on when it was taken', async () => {
    framed.resume();
    const bytes = Buffer.alloc(3_000_000, 'x\r\n');
    let taken = 0;
    const take = (): void => {
      while (framed.framer.next()) taken += framed.framer.end - framed.framer.start;
    };
    peer.write(bytes);
    await seen('input');
    await new Promise((resolve) => setImmediate(resolve));
    expect(framed.framer.pendingBytes).toBeLessThan(1_000_000);
    framed.listener.onInput = () => {
      take();
      changes.notify();
    };
    take();
    framed.inputTaken();
    await changes.until(
      () => (taken === bytes.length ? true : undefined),
      () => `all bytes, so far ${taken}`,
    );
  });

  test('stays stopped by its owner, whatever is taken', async () => {
    framed.resume();
    framed.pause();
    framed.inputTaken();
    peer.write('a NOOP\r\n');
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(events).toEqual([]);
    framed.resume();
    await seen('input');
  });
});

describe('the ends', () => {
  test('a FIN leaves the other direction open', async () => {
    framed.resume();
    peer.end('a NOOP\r\n');
    await seen('end');
    expect(framed.hasEnded).toBe(true);
    expect(framed.isDestroyed).toBe(false);
    framed.write('a OK\r\n');
    const [answer] = (await once(peer, 'data')) as [Buffer];
    expect(answer.toString()).toBe('a OK\r\n');
  });

  test('a reset is reported as a close with its reason', async () => {
    framed.resume();
    peer.resetAndDestroy();
    await seen('close');
    expect(framed.error).toMatchObject({ code: 'ECONNRESET' });
    expect(events).not.toContain('end');
  });

  test('a write after the end is dropped without a word', async () => {
    framed.destroy();
    framed.destroy();
    expect(framed.write('x')).toBe(true);
    await seen('close');
    expect(framed.error).toBeUndefined();
    expect(faults).toEqual([]);
  });
});

describe('a listener that throws', () => {
  test.each(['onInput', 'onEnd'] as const)('in %s ends its own socket, and is reported', async (callback) => {
    framed.listener[callback] = () => {
      throw new Error('a defect');
    };
    framed.resume();
    peer.end('a NOOP\r\n');
    await seen('close');
    expect(framed.hasFault).toBe(true);
    expect(framed.isDestroyed).toBe(true);
    expect(faults).toEqual([new Error('a defect')]);
  });
});

test('says stop when the send buffer is full, and tells when it is empty again', async () => {
  framed.resume();
  let isFull = false;
  for (let count = 0; count < 200 && !isFull; count += 1) isFull = !framed.write(Buffer.alloc(65_536));
  expect(isFull).toBe(true);
  peer.resume();
  await seen('drain');
});

test('writes text as one byte for each character', async () => {
  framed.write('\xe4\xff');
  const [bytes] = (await once(peer, 'data')) as [Buffer];
  expect(bytes).toEqual(Buffer.from([0xe4, 0xff]));
});

test('calls back when nothing came for so long, once it was asked to', async () => {
  framed.resume();
  framed.setIdleTimeout(10, () => {
    events.push('idle');
    changes.notify();
  });
  await seen('idle');
  framed.setIdleTimeout(0, () => undefined);
});
