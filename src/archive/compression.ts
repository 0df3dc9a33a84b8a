// Deflate and gzip by the platform's compression streams, a piece at a time.

import { damaged } from './archive-error.ts';
import { streamOf } from './byte-reader.ts';

/**
 * Bytes that are inflated at once. A platform may hold all that becomes of a chunk, which is up to
 * a thousand times as much.
 */
const INFLATE_SIZE = 1 << 12;

export function deflateRaw(pieces: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  return through(pieces, new CompressionStream('deflate-raw'), 'what is compressed');
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

async function* through(
  pieces: AsyncGenerator<Uint8Array>,
  transform: CompressionStream | DecompressionStream,
  what: string,
): AsyncGenerator<Uint8Array> {
  const source = new Watched(pieces);
  const pair = transform as unknown as ReadableWritablePair<Uint8Array, Uint8Array>;
  const reader = streamOf(source.pieces()).pipeThrough(pair).getReader();
  let hasEnded = false;
  try {
    for (;;) {
      const { done, value } = await source.orFailure(reader.read(), what);
      if (done) break;
      yield value;
    }
    hasEnded = true;
  } finally {
    if (!hasEnded) await reader.cancel().catch(() => undefined);
    // From here on nobody reads what the pieces come from.
    await pieces.return(undefined);
  }
}

/** Tells the failure of the pieces from one of the stream they go through. */
class Watched {
  readonly #pieces: AsyncGenerator<Uint8Array>;
  #failure: { readonly error: unknown } | undefined;

  constructor(pieces: AsyncGenerator<Uint8Array>) {
    this.#pieces = pieces;
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#pieces;
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  async orFailure<T>(reading: Promise<T>, what: string): Promise<T> {
    try {
      return await reading;
    } catch {
      // Platforms say different things of damaged data.
      throw this.#failure === undefined
        ? damaged(`${what} is damaged: it can't be decompressed`)
        : this.#failure.error;
    }
  }
}
