// ChunkTable: the chunks of a file that are in memory, by their index. Most files have one at most,
// and many files are made and forgotten: one chunk takes no map.

interface Indexed {
  readonly index: number;
}

export class ChunkTable<Chunk extends Indexed> {
  /** The only one. */
  #single: Chunk | undefined;
  /** All of them, once there were two. */
  #all: Map<number, Chunk> | undefined;

  get(index: number): Chunk | undefined {
    if (this.#all !== undefined) return this.#all.get(index);
    return this.#single?.index === index ? this.#single : undefined;
  }

  has(index: number): boolean {
    return this.get(index) !== undefined;
  }

  add(chunk: Chunk): void {
    if (this.#all === undefined) {
      const single = this.#single;
      if (single === undefined || single.index === chunk.index) {
        this.#single = chunk;
        return;
      }
      this.#all = new Map([[single.index, single]]);
      this.#single = undefined;
    }
    this.#all.set(chunk.index, chunk);
  }

  delete(index: number): void {
    if (this.#all !== undefined) this.#all.delete(index);
    else if (this.#single?.index === index) this.#single = undefined;
  }

  clear(): void {
    this.#single = undefined;
    this.#all = undefined;
  }

  /** Some may be deleted on the way. */
  values(): Iterable<Chunk> {
    if (this.#all !== undefined) return this.#all.values();
    return this.#single === undefined ? [] : [this.#single];
  }
}
