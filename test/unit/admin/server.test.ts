import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openAdminServer } from '../../../src/admin/server.js';
import type { AdminServer } from '../../../src/admin/server.js';

interface Response {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let server: AdminServer;
let readiness = { isReady: true, reason: 'ready' };
let metrics: () => Promise<{ contentType: string; body: string }>;
let errors: unknown[] = [];
let agent: Agent;

beforeEach(async () => {
  readiness = { isReady: true, reason: 'ready' };
  metrics = () => Promise.resolve({ contentType: 'text/plain; version=0.0.4', body: 'up 1\nséance 2\n' });
  errors = [];
  agent = new Agent({ keepAlive: true });
  server = await openAdminServer({
    host: '127.0.0.1',
    port: 0,
    metrics: () => metrics(),
    readiness: () => readiness,
    ports: () => ({ limit: 28_232 }),
    onError: (error) => errors.push(error),
  });
});

afterEach(async () => {
  await server.close();
  agent.destroy();
});

function ask(method: string, path: string): Promise<Response> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port: server.port, method, path, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const { statusCode: status, headers } = response;
        resolve({ status, headers, body: Buffer.concat(chunks).toString() });
      });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

async function rawConnection(): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

describe('routes', () => {
  test('GET /metrics gives the exposition in its own content type', async () => {
    const { status, headers, body } = await ask('GET', '/metrics');
    expect({ status, body }).toEqual({ status: 200, body: 'up 1\nséance 2\n' });
    expect(headers['content-type']).toBe('text/plain; version=0.0.4');
    expect(headers['cache-control']).toBe('no-store');
  });

  test('GET /healthz says ok, ready or not', async () => {
    readiness = { isReady: false, reason: 'draining' };
    expect(await ask('GET', '/healthz')).toMatchObject({ status: 200, body: 'ok\n' });
  });

  test('GET /readyz follows the readiness and names the reason', async () => {
    expect(await ask('GET', '/readyz')).toMatchObject({ status: 200, body: 'ready\n' });
    readiness = { isReady: false, reason: 'draining' };
    expect(await ask('GET', '/readyz')).toMatchObject({ status: 503, body: 'draining\n' });
  });

  test('a reason that quotes a server stays on one line', async () => {
    readiness = { isReady: false, reason: 'said BYE:\r\nX: y\n' };
    expect(await ask('GET', '/readyz')).toMatchObject({ status: 503, body: 'said BYE: X: y\n' });
  });

  test('a query is ignored', async () => {
    expect((await ask('GET', '/healthz?verbose')).status).toBe(200);
  });

  test.each(['/', '/metrics/', '/metricsx', '//metrics', '/%6detrics', '/constructor', '*'])(
    'GET %s is not found',
    async (path) => {
      expect(await ask('GET', path)).toMatchObject({ status: 404, body: 'not found\n' });
    },
  );
});

describe('methods', () => {
  test.each(['/metrics', '/healthz', '/readyz'])('HEAD %s has the headers and no body', async (path) => {
    const get = await ask('GET', path);
    const head = await ask('HEAD', path);
    expect(head).toMatchObject({ status: get.status, body: '' });
    expect(head.headers['content-length']).toBe(String(Buffer.byteLength(get.body)));
    expect(head.headers['content-type']).toBe(get.headers['content-type']);
  });

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])(
    '%s is refused with what is allowed',
    async (method) => {
      const { status, headers } = await ask(method, '/metrics');
      expect({ status, allow: headers.allow }).toEqual({ status: 405, allow: 'GET, HEAD' });
    },
  );

  test('an unknown path is not found, whatever the method', async () => {
    expect((await ask('POST', '/nothing')).status).toBe(404);
  });
});

describe('failures', () => {
  test.each([
    ['rejects', () => Promise.reject(new Error('secret detail'))],
    [
      'throws',
      () => {
        throw new Error('secret detail');
      },
    ],
  ])('a handler that %s becomes a 500 without a word of it, and is reported', async (_how, broken) => {
    metrics = broken;
    expect(await ask('GET', '/metrics')).toMatchObject({ status: 500, body: 'internal error\n' });
    expect(errors).toEqual([new Error('secret detail')]);
    expect((await ask('GET', '/healthz')).status).toBe(200);
  });

  test('bytes that are no HTTP end their own connection only', async () => {
    const socket = await rawConnection();
    socket.resume();
    socket.write('a LOGIN alice secret\r\n\r\n');
    await once(socket, 'close');
    expect((await ask('GET', '/healthz')).status).toBe(200);
    expect(errors).toEqual([]);
  });

  test('headers without end are refused', async () => {
    const socket = await rawConnection();
    socket.resume();
    socket.write(`GET /healthz HTTP/1.1\r\nX: ${'x'.repeat(10_000)}`);
    await once(socket, 'close');
    expect((await ask('GET', '/healthz')).status).toBe(200);
  });

  test('a client that leaves before its answer does no harm', async () => {
    let answer = (): void => undefined;
    const hasStarted = new Promise<void>((started) => {
      metrics = () =>
        new Promise((resolve) => {
          answer = () => {
            resolve({ contentType: 'text/plain', body: 'late' });
          };
          started();
        });
    });
    const socket = await rawConnection();
    socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    await hasStarted;
    socket.destroy();
    await once(socket, 'close');
    answer();
    expect((await ask('GET', '/healthz')).status).toBe(200);
    expect(errors).toEqual([]);
  });

  test.each([
    ['127.0.0.1:9143', undefined, 200],
    ['localhost', undefined, 200],
    ['[::1]:9143', 'http://[::1]:9143', 200],
    ['mail.example:9143', undefined, 403],
    ['127.0.0.1.evil.example', undefined, 403],
    ['127.0.0.1:9143', 'http://evil.example', 403],
    ['127.0.0.1:9143', 'null', 403],
  ])(
    'what is for people is told to who asks by address: Host %s, Origin %s',
    async (host, origin, status) => {
      const socket = await rawConnection();
      const lines = ['GET /api/ports HTTP/1.1', `Host: ${host}`, 'Connection: close'];
      if (origin !== undefined) lines.push(`Origin: ${origin}`);
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.write(`${lines.join('\r\n')}\r\n\r\n`);
      await once(socket, 'close');
      const text = Buffer.concat(chunks).toString();
      expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(text.includes('28232')).toBe(status === 200);
    },
  );

  test('a port that is taken is an error of opening', async () => {
    const taken = {
      host: '127.0.0.1',
      port: server.port,
      metrics,
      readiness: () => readiness,
      ports: () => ({}),
    };
    await expect(openAdminServer({ ...taken, onError: () => undefined })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });
});

describe('many requests', () => {
  test('a client that asks on before it was answered is cut off, and costs one exposition', async () => {
    let expositions = 0;
    metrics = () => {
      expositions += 1;
      return Promise.resolve({ contentType: 'text/plain', body: 'up 1\n' });
    };
    const socket = await rawConnection();
    const closed = once(socket, 'close');
    socket.resume();
    socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1_000));
    await closed;
    expect(expositions).toBe(1);
    expect((await ask('GET', '/healthz')).status).toBe(200);
    expect(errors).toEqual([]);
  });

  test('those who ask while an exposition is made share it, and the next one gets another', async () => {
    const answers: ((text: string) => void)[] = [];
    metrics = () =>
      new Promise((resolve) => {
        answers.push((body) => {
          resolve({ contentType: 'text/plain', body });
        });
      });
    const sockets = await Promise.all(Array.from({ length: 3 }, () => rawConnection()));
    const texts = sockets.map(async (socket) => {
      socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      await once(socket, 'close');
      return Buffer.concat(chunks).toString();
    });
    // Whatever is asked behind them is answered behind them.
    await expect.poll(() => answers.length).toBe(1);
    expect((await ask('GET', '/healthz')).status).toBe(200);
    for (const answer of answers) answer('first 1\n');
    expect((await Promise.all(texts)).every((text) => text.endsWith('first 1\n'))).toBe(true);
    expect(answers.length).toBe(1);
    const next = ask('GET', '/metrics');
    await expect.poll(() => answers.length).toBe(2);
    answers[1]?.('second 1\n');
    expect((await next).body).toBe('second 1\n');
  });
});

describe('close', () => {
  test('cuts connections that are idle, silent, half-way in a request, or wait for an answer', async () => {
    await ask('GET', '/healthz'); // leaves a kept-alive connection
    const sockets = [await rawConnection(), await rawConnection(), await rawConnection()];
    const [, partial, waiting] = sockets;
    const hasStarted = new Promise<void>((started) => {
      metrics = () => {
        started();
        return new Promise(() => undefined);
      };
    });
    partial?.write('GET /metrics HTTP/1.1\r\nHost');
    waiting?.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    await hasStarted;
    const allClosed = Promise.all(
      sockets.map((socket) => {
        socket.resume();
        return once(socket, 'close');
      }),
    );
    await server.close();
    await allClosed;
  });

  test('is safe twice', async () => {
    await server.close();
    await server.close();
  });
});
