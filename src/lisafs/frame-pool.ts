// FramePool: the memory of large messages that nobody needs any more, for those to come. New memory
// has to be cleared, and old to be collected, which takes as long as to fill it.

/** Smaller ones are made anew, in bytes. */
const SIZE_MIN = 64 << 10;
/** Bytes that are kept while nobody uses them. */
const KEPT_BYTES_MAX = 16 << 20;

export class FramePool {
  readonly #frames: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;

  /** Memory of `size` bytes or somewhat more; what is in it is anything. */
  take(size: number): Uint8Array<ArrayBuffer> {
    const index = this.#frames.findLastIndex(({ length }) => length >= size && length < 2 * size);
    const [frame] = index < 0 ? [] : this.#frames.splice(index, 1);
    if (frame === undefined) return new Uint8Array(size);
    this.#bytes -= frame.length;
    return frame;
  }

  /** Nobody uses the memory that `frame` is a view of any more. */
  give({ buffer }: Uint8Array): void {
    const size = buffer.byteLength;
    if (size < SIZE_MIN || this.#bytes + size > KEPT_BYTES_MAX) return;
    this.#frames.push(new Uint8Array(buffer as ArrayBuffer));
    this.#bytes += size;
  }
}
