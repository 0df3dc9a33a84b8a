// ChangedInodes: the inodes that a commit has to write, and about how much it writes for them.
//
// A commit writes a node of the tree as a whole, whatever has changed in it. Inodes whose numbers
// are near to each other are mostly in one; those that are not (directories whose access times a
// walk through a large tree has changed) take one each.

import type { Inode } from '../shared/inode.ts';

/** Inodes that are taken to be in one node, as far as their numbers go. */
const PER_NODE = 64;
/** What a node takes at most: store/engine/node.ts. */
const NODE_BYTES = 28 * 1024;

export class ChangedInodes implements Iterable<Inode> {
  readonly #inodes = new Set<Inode>();
  readonly #nodes = new Set<number>();

  get size(): number {
    return this.#inodes.size;
  }

  /** What a commit writes for them, roughly and at most. */
  get nodeBytes(): number {
    return this.#nodes.size * NODE_BYTES;
  }

  has(inode: Inode): boolean {
    return this.#inodes.has(inode);
  }

  add(inode: Inode): void {
    if (this.#inodes.has(inode)) return;
    this.#inodes.add(inode);
    this.#nodes.add(nodeOf(inode));
  }

  delete(inode: Inode): void {
    this.#inodes.delete(inode);
    if (this.#inodes.size === 0) this.#nodes.clear();
  }

  /** Takes out those that are in the first `nodeBytes` of nodes, in the order of their numbers. */
  take(nodeBytes: number): ChangedInodes {
    const taken = new ChangedInodes();
    const sorted = [...this.#inodes].sort((a, b) => a.ino - b.ino);
    for (const inode of sorted) {
      if (taken.nodeBytes >= nodeBytes && !taken.#nodes.has(nodeOf(inode))) break;
      this.delete(inode);
      this.#nodes.delete(nodeOf(inode));
      taken.add(inode);
    }
    return taken;
  }

  [Symbol.iterator](): Iterator<Inode> {
    return this.#inodes.values();
  }
}

/** The node that it is taken to be in. */
function nodeOf({ ino }: Inode): number {
  return Math.floor(ino / PER_NODE);
}
