// The event loop gets its turn: whoever works on and on waits for this now and then.

/** A message to oneself: a macrotask without the delay of a timer. */
export function nextMacrotask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
