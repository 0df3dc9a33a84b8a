// Waiting for the end of a socket, however it comes.

/** What tells that it is closed: a socket of TCP, or a WebSocket of ws. */
export interface Closing {
  on(event: 'error', listener: () => void): unknown;
  once(event: 'close', listener: (...values: unknown[]) => void): unknown;
}

/**
 * Returns what the close event says. A link that is cut off while bytes are under way has an
 * 'error' before (ECONNRESET), by which events.once() would reject.
 */
export function whenClosed(socket: Closing): Promise<unknown[]> {
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    socket.once('close', (...values: unknown[]) => {
      resolve(values);
    });
  });
}
