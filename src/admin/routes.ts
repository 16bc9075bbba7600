/** Owns the table of admin routes: which path answers which method, with what. */

import type { IncomingMessage } from 'node:http';

export interface AdminReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Reads what it needs of the request. A throw becomes a 500 that says nothing. */
export type AdminHandler = (request: IncomingMessage) => AdminReply | Promise<AdminReply>;

/** Handlers by path, then by method. HEAD is answered wherever GET is. */
export type AdminRoutes = ReadonlyMap<string, Readonly<Partial<Record<'GET' | 'POST', AdminHandler>>>>;

export interface Readiness {
  readonly isReady: boolean;
  /** Why, in one line for people. */
  readonly reason: string;
}

export interface AdminSources {
  /** The Prometheus text. */
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  readiness(): Readiness;
  /** What `/api/ports` shows; plain data. */
  ports(): unknown;
}

/** Probes and scrapes need no check of Host and Origin; what is for people does. */
export function adminRoutes(sources: AdminSources): AdminRoutes {
  const metrics = shared(() => sources.metrics());
  return new Map([
    ['/metrics', { GET: async () => ({ status: 200, ...(await metrics()) }) }],
    ['/healthz', { GET: () => textReply(200, 'ok') }],
    [
      '/readyz',
      {
        GET: () => {
          const { isReady, reason } = sources.readiness();
          return textReply(isReady ? 200 : 503, reason);
        },
      },
    ],
    ['/api/ports', { GET: guarded(() => jsonReply(sources.ports())) }],
  ]);
}

/** Whoever asks while an answer is made gets that one: however many scrape at once, the mail clients wait for one exposition. */
function shared<T>(make: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => (running ??= make().finally(() => (running = undefined)));
}

/** An address, localhost, or nothing that a page of somebody else could be called by. */
const SAFE_HOST = /^(?:localhost|\d+\.\d+\.\d+\.\d+|\[[\da-f:.]+\])(?::\d+)?$/i;

/**
 * Answers only a request that names this server by its address. A page of somebody else, whose name was made to point
 * here, would name its own.
 */
function guarded(handler: AdminHandler): AdminHandler {
  return (request) => {
    const { host = '', origin } = request.headers;
    const isSafe = SAFE_HOST.test(host) && (origin === undefined || origin === `http://${host}`);
    return isSafe ? handler(request) : textReply(403, 'ask by address, or as localhost');
  };
}

function jsonReply(value: unknown): AdminReply {
  return {
    status: 200,
    contentType: 'application/json; charset=utf-8',
    body: `${JSON.stringify(value, undefined, 2)}\n`,
  };
}

/** One line of plain text: line breaks in `text`, which may quote a server, become blanks. */
export function textReply(status: number, text: string): AdminReply {
  return {
    status,
    contentType: 'text/plain; charset=utf-8',
    body: `${text.replace(/\s+/g, ' ').trim()}\n`,
  };
}
