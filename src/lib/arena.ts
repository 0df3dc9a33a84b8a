// Arena: memory for many small pieces. Making an ArrayBuffer for each takes longer than filling it.

/** In bytes. */
const SIZE = 128 * 1024;
/** What is larger gets memory of its own. */
const SMALL_MAX = 8 * 1024;

export class Arena {
  #memory = new Uint8Array(0);
  #used = 0;

  /** Zeros. What pieces share stays in memory as long as one of them does. */
  take(sizeBytes: number): Uint8Array {
    if (sizeBytes > SMALL_MAX) return new Uint8Array(sizeBytes);
    if (this.#used + sizeBytes > this.#memory.length) {
      this.#memory = new Uint8Array(SIZE);
      this.#used = 0;
    }
    this.#used += sizeBytes;
    return this.#memory.subarray(this.#used - sizeBytes, this.#used);
  }
}
