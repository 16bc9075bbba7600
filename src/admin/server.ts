/** Owns the admin HTTP server: its socket, its time-outs, and how a request finds its route. */

import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import { adminRoutes, textReply } from './routes.js';
import type { AdminReply, AdminRoutes, AdminSources } from './routes.js';

/** Nothing that is asked here is long. */
const MAX_HEADER_BYTES = 8_192;
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const TIMEOUT_CHECK_MS = 2_000;
/** Longer than a scrape interval, so that a scraper keeps its connection. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** A client that neither sends nor reads for so long is dropped. */
const SOCKET_TIMEOUT_MS = 30_000;
/** Whoever can reach the port can't take all file descriptors from the mail clients. */
const MAX_CONNECTIONS = 256;

export interface AdminServerOptions extends AdminSources {
  readonly host: string;
  /** 0: the system chooses one. */
  readonly port: number;
  /** A handler threw, or the server could not accept a connection. Must not throw. */
  onError(error: unknown): void;
}

/** The caller must close it. */
export interface AdminServer {
  readonly port: number;
  /** Stops listening and cuts every connection. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Opens the admin server. From then on it never throws: what goes wrong is answered and reported.
 *
 * @throws Error of the system (`EADDRINUSE`, `EACCES`, …)
 */
export async function openAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const routes = adminRoutes(options);
  const onError = (error: unknown): void => {
    options.onError(error);
  };
  /** Connections with a request that is not answered yet. */
  const asking = new WeakSet<Socket>();
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    },
    (request, response) => {
      const { socket } = request;
      // A packet has room for a thousand requests, and the mail clients would wait until all are answered.
      if (asking.has(socket)) {
        socket.destroy();
        return;
      }
      asking.add(socket);
      answer(routes, request, onError)
        .then((reply) => {
          asking.delete(socket);
          send(request, response, reply);
        })
        .catch(onError);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(SOCKET_TIMEOUT_MS);
  await listen(server, options);
  server.on('error', onError);
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : options.port,
    close: () =>
      new Promise((resolve) => {
        // Node's callback has an error only if the server is closed already, which is what was asked for.
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, { host, port }: AdminServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

interface Answer extends AdminReply {
  readonly allow?: string;
}

/** Never rejects. */
async function answer(
  routes: AdminRoutes,
  request: IncomingMessage,
  onError: (error: unknown) => void,
): Promise<Answer> {
  const [path = ''] = (request.url ?? '').split('?', 1);
  const route = routes.get(path);
  if (route === undefined) return textReply(404, 'not found');
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const handler = method === 'GET' || method === 'POST' ? route[method] : undefined;
  if (handler === undefined) {
    const allow = Object.keys(route).flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]));
    return { ...textReply(405, 'method not allowed'), allow: allow.join(', ') };
  }
  try {
    return await handler(request);
  } catch (error) {
    onError(error);
    return textReply(500, 'internal error');
  }
}

function send(request: IncomingMessage, response: ServerResponse, { allow, ...reply }: Answer): void {
  response.on('error', () => {
    // The client is gone; there is nobody left to answer.
  });
  response.writeHead(reply.status, {
    'Content-Type': reply.contentType,
    'Content-Length': Buffer.byteLength(reply.body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(allow === undefined ? {} : { Allow: allow }),
  });
  response.end(request.method === 'HEAD' ? undefined : reply.body);
}
