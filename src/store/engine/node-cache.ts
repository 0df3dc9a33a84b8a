// NodeCache: nodes read and written lately, within a bound. Which one goes is decided by a clock
// (second chance).

import { type Op, WaitQueue } from '../../lib/op.ts';
import { type Child, decodeNode, NODE_SIZE_MAX, type TreeNode } from './node.ts';
import { mendPlace, type PageDevice, type Place, wholePlace } from './page-device.ts';

/** Of the bytes of a node or of a block of data. */
export type Checksum = (bytes: Uint8Array) => number;

interface CachedNode {
  readonly child: Child;
  /** The bytes are decoded when they are asked for. */
  node: TreeNode | Uint8Array;
  isRecent: boolean;
}

/** A decoded node takes about this many times its size. */
const DECODED_FACTOR = 3;
/** What is read for later may take this part of the cache. */
const READ_AHEAD_SHARE = 4;

export class NodeCache {
  readonly #device: PageDevice;
  readonly #checksum: Checksum;
  readonly #limit: number;
  /** By address. */
  readonly #nodes = new Map<number, CachedNode>();
  readonly #loading = new Map<number, WaitQueue>();
  #bytes = 0;

  /** `limit` in bytes. */
  constructor(options: { device: PageDevice; checksum: Checksum; limit: number }) {
    this.#device = options.device;
    this.#checksum = options.checksum;
    this.#limit = options.limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** So many nodes can be read for later without pushing out each other, or much else. */
  get readAheadMax(): number {
    return Math.floor(this.#limit / (NODE_SIZE_MAX * DECODED_FACTOR) / READ_AHEAD_SHARE);
  }

  get(child: Child): TreeNode | undefined {
    const cached = this.#find(child);
    if (cached === undefined) return undefined;
    cached.isRecent = true;
    if (cached.node instanceof Uint8Array) cached.node = decodeNode(cached.node);
    return cached.node;
  }

  #find(child: Child): CachedNode | undefined {
    const cached = this.#nodes.get(child.address);
    // Another node may have been written to the address since.
    if (cached?.child.checksum !== child.checksum) return undefined;
    return cached.child.generation === child.generation ? cached : undefined;
  }

  /**
   * Reads a node, and with it those of `others` that aren't here. Returns undefined if the first is
   * not there, or not as it was written: it may have been given up meanwhile.
   *
   * Errors: EIO of the device; EIO if a node that is as it was written makes no sense.
   */
  *load(child: Child, others: readonly Child[] = []): Op<TreeNode | undefined> {
    for (;;) {
      const node = this.get(child);
      if (node !== undefined) return node;
      const underWay = this.#loading.get(child.address);
      if (underWay === undefined) break;
      yield underWay;
    }
    const isWanted = (other: Child): boolean =>
      this.#find(other) === undefined && !this.#loading.has(other.address);
    const wanted = [child, ...others.filter(isWanted)];
    const ended = new WaitQueue();
    for (const { address } of wanted) this.#loading.set(address, ended);
    try {
      const found = yield* this.#device.read(wanted.map(wholePlace));
      const nodes = found.map((bytes, i) => {
        const of = wanted[i];
        if (bytes === undefined || of === undefined) return undefined;
        return this.#checksum(bytes) === of.checksum ? { child: of, bytes } : undefined;
      });
      const [first, ...rest] = nodes;
      // Of those read ahead, what is missing or damaged is told to whoever wants it.
      for (const each of rest) if (each !== undefined) this.#insertNew(each.child, each.bytes);
      const isWhole = (read: Uint8Array): boolean => this.#checksum(read) === child.checksum;
      const bytes = first?.bytes ?? (yield* mendPlace(this.#device, child, isWhole));
      return bytes === undefined ? undefined : this.#insertNew(child, bytes);
    } finally {
      for (const { address } of wanted) this.#loading.delete(address);
      ended.wakeAll();
    }
  }

  #insertNew(child: Child, bytes: Uint8Array): TreeNode {
    const node = decodeNode(bytes);
    // What was written since is not pushed out.
    if (!this.#nodes.has(child.address)) this.insert(child, node);
    return node;
  }

  /** A node, or its bytes. */
  insert(child: Child, node: TreeNode | Uint8Array): void {
    this.remove(child);
    this.#nodes.set(child.address, { child, node, isRecent: true });
    // Bytes, too, count as what they may become.
    this.#bytes += child.sizeBytes * DECODED_FACTOR;
    this.#evict();
  }

  remove({ address }: Place): void {
    const cached = this.#nodes.get(address);
    if (cached === undefined) return;
    this.#nodes.delete(address);
    this.#bytes -= cached.child.sizeBytes * DECODED_FACTOR;
  }

  #evict(): void {
    if (this.#bytes <= this.#limit) return;
    let steps = this.#nodes.size * 2;
    for (const [address, cached] of this.#nodes) {
      if (this.#bytes <= this.#limit || steps-- <= 0) return;
      if (!cached.isRecent) {
        this.remove(cached.child);
        continue;
      }
      // To the other end: the hand comes back after all others.
      cached.isRecent = false;
      this.#nodes.delete(address);
      this.#nodes.set(address, cached);
    }
  }
}
