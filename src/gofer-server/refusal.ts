// Refusals: why a handshake fails, and with which status. The body is for people: browsers don't
// show it to pages, but other clients do.

import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** Reason → status. */
export const REFUSAL_STATUSES = {
  path: 404,
  origin: 403,
  'too many connections': 503,
  stopping: 503,
  token: 401,
  protocol: 400,
} as const;

export type RefusalReason = keyof typeof REFUSAL_STATUSES;

export interface Refusal {
  readonly reason: RefusalReason;
  readonly text: string;
}

/** Headers of every answer that is text. */
export const TEXT_HEADERS: Readonly<Record<string, string>> = {
  'Content-Type': 'text/plain; charset=utf-8',
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'",
  'X-Content-Type-Options': 'nosniff',
  Connection: 'close',
};

/** Answers an upgrade that doesn't take place, and closes the socket. */
export function refuseUpgrade(socket: Duplex, { reason, text }: Refusal): void {
  const status = REFUSAL_STATUSES[reason];
  const body = `${text}\n`;
  const headers = {
    ...TEXT_HEADERS,
    ...(reason === 'token' && { 'WWW-Authenticate': 'Bearer realm="burrowfs gofer"' }),
    'Content-Length': String(new TextEncoder().encode(body).length),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.once('finish', () => {
    socket.destroy();
  });
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
}
