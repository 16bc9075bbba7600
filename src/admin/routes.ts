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
}

/** The routes that need neither a token nor a check of Host and Origin: probes and scrapes. */
export function adminRoutes(sources: AdminSources): AdminRoutes {
  return new Map([
    ['/metrics', { GET: async () => ({ status: 200, ...(await sources.metrics()) }) }],
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
  ]);
}

/** One line of plain text: line breaks in `text`, which may quote a server, become blanks. */
export function textReply(status: number, text: string): AdminReply {
  return {
    status,
    contentType: 'text/plain; charset=utf-8',
    body: `${text.replace(/\s+/g, ' ').trim()}\n`,
  };
}
