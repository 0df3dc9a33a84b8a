// Deflate and gzip by the platform's compression streams, a piece at a time.

import { damaged } from './archive-error.ts';

/**
 * Bytes that are inflated at once. A platform may hold all that becomes of a chunk, which is up to
 * a thousand times as much.
 */
const INFLATE_SIZE = 1 << 12;

export function deflateRaw(pieces: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  return through(pieces, new CompressionStream('deflate-raw'), 'what is compressed');
}

export function gzip(pieces: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  return through(pieces, new CompressionStream('gzip'), 'what is compressed');
}

/** Errors: those of `pieces`; ArchiveError, which says that `what` is damaged. */
export function inflateRaw(
  pieces: AsyncGenerator<Uint8Array>,
  what: string,
): AsyncGenerator<Uint8Array> {
  return through(inSmallPieces(pieces), new DecompressionStream('deflate-raw'), what);
}

/** Errors: as inflateRaw(). */
export function gunzip(
  pieces: AsyncGenerator<Uint8Array>,
  what: string,
): AsyncGenerator<Uint8Array> {
  return through(inSmallPieces(pieces), new DecompressionStream('gzip'), what);
}

async function* inSmallPieces(pieces: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const bytes of pieces) {
    for (let at = 0; at < bytes.length; at += INFLATE_SIZE) {
      yield bytes.subarray(at, at + INFLATE_SIZE);
    }
  }
}

/**
 * What a transformation makes of pieces. It is given one only when it has nothing left to give: how
 * much a platform's streams would take ahead differs, and Node's take thousands of chunks.
 */
async function* through(
  pieces: AsyncGenerator<Uint8Array>,
  transform: CompressionStream | DecompressionStream,
  what: string,
): AsyncGenerator<Uint8Array> {
  const { readable, writable } = transform as unknown as Pair;
  const feeder = new Feeder(pieces, writable.getWriter(), what);
  const reader = readable.getReader();
  let hasEnded = false;
  try {
    while (!hasEnded) {
      const reading = reader.read();
      let isSettled = false;
      const settle = (): void => {
        isSettled = true;
      };
      const settled = reading.then(settle, settle);
      while (!isDone(isSettled) && !feeder.isDone) await Promise.race([settled, feeder.feed()]);
      const result = await fromPlatform(reading, what);
      if (result.done) hasEnded = true;
      else yield result.value;
    }
  } finally {
    if (!hasEnded) {
      feeder.abort();
      await reader.cancel().catch(() => undefined);
    }
    // From here on nobody reads what the pieces come from.
    await pieces.return(undefined);
  }
}

type Pair = ReadableWritablePair<Uint8Array, Uint8Array>;

// TypeScript believes that a variable that a closure sets never changes inside the loop.
function isDone(isSettled: boolean): boolean {
  return isSettled;
}

/** Errors: ArchiveError. Platforms say different things of damaged data. */
async function fromPlatform<T>(promise: Promise<T>, what: string): Promise<T> {
  try {
    return await promise;
  } catch {
    throw damaged(`${what} is damaged: it can't be decompressed`);
  }
}

/** Gives pieces to a stream, one at a time. */
class Feeder {
  readonly #pieces: AsyncGenerator<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #what: string;
  #feeding: Promise<void> | undefined;
  /** There are no more. */
  isDone = false;

  constructor(
    pieces: AsyncGenerator<Uint8Array>,
    writer: WritableStreamDefaultWriter<Uint8Array>,
    what: string,
  ) {
    this.#pieces = pieces;
    this.#writer = writer;
    this.#what = what;
  }

  /** Resolves when a piece has been taken. Errors: those of the pieces; as fromPlatform(). */
  feed(): Promise<void> {
    if (this.#feeding !== undefined) return this.#feeding;
    const feeding = this.#feed().finally(() => {
      this.#feeding = undefined;
    });
    // It may fail when nobody waits for it any more.
    feeding.catch(() => undefined);
    this.#feeding = feeding;
    return feeding;
  }

  async #feed(): Promise<void> {
    const result = await this.#pieces.next();
    if (result.done === true) {
      this.isDone = true;
      // What goes wrong now, the reader is told.
      this.#writer.close().catch(() => undefined);
      return;
    }
    await fromPlatform(this.#writer.write(result.value), this.#what);
  }

  abort(): void {
    this.#writer.abort().catch(() => undefined);
  }
}
