// ByteSink: collects an archive's bytes into chunks of one size, and waits for whoever takes them.

const CHUNK_SIZE = 1 << 18;

export class ByteSink {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  #chunk = new Uint8Array(CHUNK_SIZE);
  #filled = 0;
  #offset = 0;

  /** Once `signal` aborts, writing rejects with its reason. */
  constructor(stream: WritableStream<Uint8Array>, signal?: AbortSignal) {
    this.#writer = stream.getWriter();
    this.#signal = signal;
    this.#onAbort = () => {
      void this.abort(signal?.reason);
    };
    signal?.addEventListener('abort', this.#onAbort);
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
    try {
      await this.#writer.ready;
      await this.#writer.write(chunk);
    } finally {
      this.#signal?.throwIfAborted();
    }
  }

  async close(): Promise<void> {
    if (this.#filled > 0) await this.#flush();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    await this.#writer.close();
  }

  async abort(reason: unknown): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    await this.#writer.abort(reason).catch(() => undefined);
  }
}
