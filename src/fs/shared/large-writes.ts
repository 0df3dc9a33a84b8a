// LargeWrites: memory that large writes are copied to, used again once nothing else uses it. Memory
// that is new is cleared by the system page by page, which takes several times as long as a copy.

/** A piece of a write, in bytes: shared/regular-file-description.ts. */
const PIECE_BYTES = 1 << 20;
/** Pieces that are kept for what comes. */
const KEPT_MAX = 16;

export class LargeWrites {
  /** How much of a piece's memory has been given up, in bytes. */
  readonly #givenUp = new WeakMap<ArrayBufferLike, number>();
  #kept: Uint8Array[] = [];
  /** Something was written, and there may be more. */
  #isWriting = false;

  /** Undefined: it is not worth it. */
  copyOf(source: Uint8Array): Uint8Array | undefined {
    if (source.length !== PIECE_BYTES) return undefined;
    this.#isWriting = true;
    const bytes = this.#kept.pop() ?? new Uint8Array(PIECE_BYTES);
    bytes.set(source);
    this.#givenUp.set(bytes.buffer, 0);
    return bytes;
  }

  /** Nothing is written for now. */
  end(): void {
    this.#isWriting = false;
    this.#kept = [];
  }

  /** Nothing uses these bytes any more, which may be part of a piece. Each is given up once. */
  giveUp(bytes: Uint8Array): void {
    const before = this.#givenUp.get(bytes.buffer);
    if (before === undefined) return;
    const now = before + bytes.length;
    this.#givenUp.set(bytes.buffer, now);
    if (now < PIECE_BYTES) return;
    this.#givenUp.delete(bytes.buffer);
    if (this.#isWriting && this.#kept.length < KEPT_MAX)
      this.#kept.push(new Uint8Array(bytes.buffer));
  }
}
