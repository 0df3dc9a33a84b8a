// ByteSink: collects an archive's bytes into chunks of one size, and waits for whoever takes them.

const CHUNK_SIZE = 1 << 18;

export class ByteSink {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  #chunk = new Uint8Array(CHUNK_SIZE);
  #filled = 0;
  #offset = 0;

  /** Once `signal` aborts, writing rejects with its reason. */
  constructor(stream: WritableStream<Uint8Array>, signal?: AbortSignal) {
    this.#writer = stream.getWriter();
    this.#signal = signal;
  }

  /** Bytes written so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Writes a copy. */
  async write(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) {
      const part = rest.subarray(0, CHUNK_SIZE - this.#filled);
      this.#chunk.set(part, this.#filled);
      this.#filled += part.length;
      this.#offset += part.length;
      rest = rest.subarray(part.length);
      if (this.#filled === CHUNK_SIZE) await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    const chunk = this.#chunk.subarray(0, this.#filled);
    // The other end keeps the chunk.
    this.#chunk = new Uint8Array(CHUNK_SIZE);
    this.#filled = 0;
    await this.#unlessAborted(this.#writer.ready);
    await this.#unlessAborted(this.#writer.write(chunk));
  }

  /** A stream from another thread that nobody reads keeps a write waiting, whatever happens. */
  #unlessAborted(promise: Promise<void>): Promise<void> {
    const signal = this.#signal;
    if (signal === undefined) return promise;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        const reason: unknown = signal.reason;
        reject(reason);
      };
      signal.addEventListener('abort', onAbort);
      promise.then(resolve, reject).finally(() => {
        signal.removeEventListener('abort', onAbort);
      });
      if (signal.aborted) onAbort();
    });
  }

  async close(): Promise<void> {
    if (this.#filled > 0) await this.#flush();
    await this.#unlessAborted(this.#writer.close());
  }

  /** Tells the other end. Doesn't wait for it. */
  abort(reason: unknown): void {
    this.#writer.abort(reason).catch(() => undefined);
  }
}
