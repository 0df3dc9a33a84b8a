// At rest: nothing is left to do, in client or server, but what waits for a step. What they put off
// they put off as microtasks, or as macrotasks by messages to themselves (src/lib/macrotask.ts).
// The platform delivers those some time later; here they are counted, so that all runs are alike.

/** Macrotasks that haven't come. */
let pending = 0;

class CountedPort {
  peer: CountedPort | undefined;
  onmessage: ((event: { readonly data: unknown }) => void) | null = null;

  postMessage(data: unknown): void {
    pending++;
    setImmediate(() => {
      pending--;
      this.peer?.onmessage?.({ data });
    });
  }

  close(): void {
    this.peer = undefined;
  }
}

class CountedChannel {
  readonly port1 = new CountedPort();
  readonly port2 = new CountedPort();

  constructor() {
    this.port1.peer = this.port2;
    this.port2.peer = this.port1;
  }
}

globalThis.MessageChannel = CountedChannel as unknown as typeof MessageChannel;

export async function atRest(): Promise<void> {
  do {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  } while (pending > 0);
}
