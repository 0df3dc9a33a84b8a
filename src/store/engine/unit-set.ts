// UnitSet: a set of units of a device, a bit each: a store of 1 TiB has 32 MiB of them.

const CAPACITY_MIN = 1024;

export class UnitSet {
  #bits = new Uint8Array(CAPACITY_MIN);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(unit: number): boolean {
    return ((this.#bits[Math.floor(unit / 8)] ?? 0) & (1 << (unit % 8))) !== 0;
  }

  /** False if it was there already. */
  add(unit: number): boolean {
    if (this.has(unit)) return false;
    const at = Math.floor(unit / 8);
    if (at >= this.#bits.length) {
      const bits = new Uint8Array(Math.max(at + 1, this.#bits.length * 2));
      bits.set(this.#bits);
      this.#bits = bits;
    }
    this.#bits[at] = (this.#bits[at] ?? 0) | (1 << (unit % 8));
    this.#size++;
    return true;
  }
}
