// Apart: where the sides of a mirror differ while one of them doesn't follow. A commit of the other
// one alone makes what is at a place there another thing, or nothing: bytes of the side that
// doesn't follow are old then, however whole they look to somebody who still reads an old state.

import { type DeviceBatch, type Place, unitsOf } from './page-device.ts';

/** Where more than this has changed, everything counts as changed. */
const UNITS_MAX = 1 << 18;

export class Apart {
  /** Units that one side alone has written or given up; undefined: perhaps all. */
  #units: Set<number> | undefined = new Set();

  /** The sides have the same. */
  reset(): void {
    this.#units = new Set();
  }

  /** One side alone has had a commit. */
  add({ writes, frees }: DeviceBatch): void {
    for (const { address, bytes } of writes) this.#add(address, bytes.length);
    for (const { address, sizeBytes } of frees) this.#add(address, sizeBytes);
  }

  #add(address: number, sizeBytes: number): void {
    for (let i = 0; i < unitsOf(sizeBytes); i++) this.#units?.add(address + i);
    if ((this.#units?.size ?? 0) > UNITS_MAX) this.#units = undefined;
  }

  /** May the sides have different things there? */
  has({ address, sizeBytes }: Place): boolean {
    for (let i = 0; i < unitsOf(sizeBytes); i++) {
      if (this.#units?.has(address + i) ?? true) return true;
    }
    return false;
  }
}
