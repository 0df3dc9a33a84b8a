// Arena: memory for many small pieces. Making an ArrayBuffer for each takes longer than filling it.

/** In bytes. */
const SIZE = 128 * 1024;
/** What is larger gets memory of its own. */
const SMALL_MAX = 8 * 1024;

export class Arena {
  #memory = new ArrayBuffer(0);
  #view = new DataView(this.#memory);
  #used = 0;

  /** Zeros. What pieces share stays in memory as long as one of them does. */
  take(sizeBytes: number): Uint8Array {
    if (sizeBytes > SMALL_MAX) return new Uint8Array(sizeBytes);
    if (this.#used + sizeBytes > this.#memory.byteLength) {
      this.#memory = new ArrayBuffer(SIZE);
      this.#view = new DataView(this.#memory);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += sizeBytes;
    // Takes a third of the time that subarray() does.
    return new Uint8Array(this.#memory, at, sizeBytes);
  }

  /** Of the whole memory that a piece is in. */
  viewOf({ buffer }: Uint8Array): DataView {
    return buffer === this.#memory ? this.#view : new DataView(buffer);
  }
}
