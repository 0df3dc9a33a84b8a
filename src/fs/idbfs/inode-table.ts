// InodeTable: what a check keeps of each inode, in columns of numbers: about 50 bytes for each,
// so that a million of them fit into memory.

import { assertDefined } from '../../lib/assert.ts';

const CAPACITY_MIN = 1024;

/** Bits of `flags`. */
export const SEEN = {
  /** There is an inode item. */
  inode: 1,
  directory: 2,
  regular: 4,
  /** On the list of orphans. */
  orphan: 8,
  /** It says that it has extended attributes. */
  xattrs: 16,
  /** There are some. */
  xattrData: 32,
  /** Entries of a directory, or data, have its number. */
  content: 64,
  /** The way to it from the root is known to be whole. */
  reached: 128,
} as const;

/** A row of the table; it is valid until the next is added. */
export type Slot = number;

export class InodeTable {
  #capacity = CAPACITY_MIN;
  #count = 0;
  /** Zero: nothing is here. No inode has that number. */
  #inos = new Float64Array(CAPACITY_MIN);
  /** The directory that names it; if there are several, the last. */
  parents = new Float64Array(CAPACITY_MIN);
  /** As the inode has it. */
  nlinks = new Uint32Array(CAPACITY_MIN);
  /** Names that lead to it. */
  names = new Uint32Array(CAPACITY_MIN);
  /** Directories that it names. */
  subdirectories = new Uint32Array(CAPACITY_MIN);
  flags = new Uint8Array(CAPACITY_MIN);
  /** S_IFMT >>> 12: of the inode, times 16; and what listings say, or 0. */
  types = new Uint8Array(CAPACITY_MIN);

  /** The row of an inode; undefined: nothing is known of it. */
  find(ino: number): Slot | undefined {
    const slot = this.#probe(ino);
    return this.#inos[slot] === ino ? slot : undefined;
  }

  /** The row of an inode, which is added if it isn't there. */
  slotOf(ino: number): Slot {
    let slot = this.#probe(ino);
    if (this.#inos[slot] === ino) return slot;
    if (this.#count * 4 >= this.#capacity * 3) {
      this.#grow();
      slot = this.#probe(ino);
    }
    this.#inos[slot] = ino;
    this.#count++;
    return slot;
  }

  inoAt(slot: Slot): number {
    return assertDefined(this.#inos[slot]);
  }

  has(slot: Slot, flag: number): boolean {
    return ((this.flags[slot] ?? 0) & flag) !== 0;
  }

  set(slot: Slot, flags: number): void {
    this.flags[slot] = (this.flags[slot] ?? 0) | flags;
  }

  *slots(): Generator<Slot, void> {
    for (let slot = 0; slot < this.#capacity; slot++) if (this.#inos[slot] !== 0) yield slot;
  }

  /** Where it is, or would be. */
  #probe(ino: number): Slot {
    const mask = this.#capacity - 1;
    let slot = (Math.imul(ino, 0x9e3779b1) >>> 7) & mask;
    while (this.#inos[slot] !== 0 && this.#inos[slot] !== ino) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const old = { ...this.#columns(), inos: this.#inos };
    const capacity = (this.#capacity *= 2);
    this.#inos = new Float64Array(capacity);
    this.parents = new Float64Array(capacity);
    this.nlinks = new Uint32Array(capacity);
    this.names = new Uint32Array(capacity);
    this.subdirectories = new Uint32Array(capacity);
    this.flags = new Uint8Array(capacity);
    this.types = new Uint8Array(capacity);
    const columns = this.#columns();
    old.inos.forEach((ino, from) => {
      if (ino === 0) return;
      const slot = this.#probe(ino);
      this.#inos[slot] = ino;
      for (const name of COLUMNS) columns[name][slot] = old[name][from] ?? 0;
    });
  }

  #columns(): Record<(typeof COLUMNS)[number], Float64Array | Uint32Array | Uint8Array> {
    const { parents, nlinks, names, subdirectories, flags, types } = this;
    return { parents, nlinks, names, subdirectories, flags, types };
  }
}

const COLUMNS = ['parents', 'nlinks', 'names', 'subdirectories', 'flags', 'types'] as const;
