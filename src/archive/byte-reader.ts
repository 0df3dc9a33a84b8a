// ByteReader: a stream's bytes in the sizes that are asked for; and the other way round, streams
// of what can be read at any place.

import { damaged } from './archive-error.ts';
import { PIECE_SIZE } from './entry.ts';

/** An archive that can be read at any place. */
export interface RandomAccess {
  readonly size: number;
  /** Up to `length` bytes; fewer only at the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export class ByteReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  #rest: Uint8Array = new Uint8Array();
  #taken = 0;
  #hasEnded = false;

  /** Once `signal` aborts, reading rejects with its reason. */
  constructor(stream: ReadableStream<Uint8Array>, signal?: AbortSignal) {
    this.#reader = stream.getReader();
    this.#signal = signal;
    this.#onAbort = () => {
      void this.#reader.cancel(signal?.reason).catch(() => undefined);
    };
    signal?.addEventListener('abort', this.#onAbort);
  }

  /** Bytes the stream has given so far. */
  get taken(): number {
    return this.#taken;
  }

  /** False at the end of the stream. */
  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0 && !this.#hasEnded) {
      this.#signal?.throwIfAborted();
      const { done, value } = await this.#reader.read();
      this.#signal?.throwIfAborted();
      if (done) {
        this.#hasEnded = true;
        break;
      }
      this.#taken += value.length;
      this.#rest = value;
    }
    return this.#rest.length > 0;
  }

  /** From 1 to `sizeMax` bytes; none at the end. */
  async readSome(sizeMax: number): Promise<Uint8Array> {
    await this.#fill();
    const bytes = this.#rest.subarray(0, sizeMax);
    this.#rest = this.#rest.subarray(bytes.length);
    return bytes;
  }

  /** `size` bytes, fewer only if the stream ends before. */
  async read(size: number): Promise<Uint8Array> {
    const first = await this.readSome(size);
    if (first.length === size || first.length === 0) return first;
    const bytes = new Uint8Array(size);
    bytes.set(first);
    let filled = first.length;
    while (filled < size) {
      const more = await this.readSome(size - filled);
      if (more.length === 0) return bytes.subarray(0, filled);
      bytes.set(more, filled);
      filled += more.length;
    }
    return bytes;
  }

  /** The first bytes, which stay to be read. */
  async peek(size: number): Promise<Uint8Array> {
    const bytes = await this.read(size);
    const joined = new Uint8Array(bytes.length + this.#rest.length);
    joined.set(bytes);
    joined.set(this.#rest, bytes.length);
    this.#rest = joined;
    return bytes;
  }

  /** Errors: ArchiveError if the stream ends before; `what` says what it ends in. */
  async readExactly(size: number, what: string): Promise<Uint8Array> {
    const bytes = await this.read(size);
    if (bytes.length < size) throw damaged(`the archive ends in ${what}`);
    return bytes;
  }

  /** Errors: as readExactly(). */
  async *pieces(size: number, what: string): AsyncGenerator<Uint8Array> {
    let left = size;
    while (left > 0) {
      const bytes = await this.readSome(Math.min(left, PIECE_SIZE));
      if (bytes.length === 0) throw damaged(`the archive ends in ${what}`);
      left -= bytes.length;
      yield bytes;
    }
  }

  /** Errors: as readExactly(). */
  async skip(size: number, what: string): Promise<void> {
    let left = size;
    while (left > 0) {
      const { length } = await this.readSome(left);
      if (length === 0) throw damaged(`the archive ends in ${what}`);
      left -= length;
    }
  }

  /** Reads to the end. */
  async drain(): Promise<void> {
    while ((await this.readSome(PIECE_SIZE)).length > 0);
  }

  /** All there still is. */
  async *rest(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const bytes = await this.readSome(PIECE_SIZE);
      if (bytes.length === 0) return;
      yield bytes;
    }
  }

  /** Lets go of the stream, which need not be at its end. */
  async close(reason?: unknown): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    if (!this.#hasEnded) await this.#reader.cancel(reason).catch(() => undefined);
    this.#rest = new Uint8Array();
  }
}

/** A stream of what a generator gives, when it is asked for. */
export function streamOf(pieces: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const result = await pieces.next();
        if (result.done === true) controller.close();
        else controller.enqueue(result.value);
      },
      async cancel() {
        await pieces.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

/** The bytes from `start` to `end`; fewer if the archive is smaller. */
export async function* rangeOf(
  access: RandomAccess,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  let offset = start;
  while (offset < end) {
    const bytes = await access.read(offset, Math.min(PIECE_SIZE, end - offset));
    if (bytes.length === 0) return;
    offset += bytes.length;
    yield bytes;
  }
}
