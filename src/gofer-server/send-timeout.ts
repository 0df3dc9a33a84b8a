// Send timeout: finds out that a client takes nothing of what is sent to it. Whoever takes it
// slowly is waited for: what counts is that the host's network has less to send than before.
// nginx: send_timeout.

import type { Socket } from 'node:net';

/**
 * Calls back when `socket` has something to send, and for `timeoutMs` none of it was taken, and
 * nothing came either. One that is merely quiet stays. Its 'timeout' event is this function's.
 */
export function onSendTimeout(socket: Socket, timeoutMs: number, onTimeout: () => void): void {
  // A server of HTTP destroys sockets that are quiet.
  socket.removeAllListeners('timeout');
  // Here Node looks at how much the host has yet to send, of a single large write, too.
  socket.setTimeout(timeoutMs);
  socket.on('timeout', () => {
    if (socket.writableLength > 0) onTimeout();
  });
}
