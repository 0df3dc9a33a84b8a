// EngineView: a tree as it was at some moment. Commits go on meanwhile; what they give up is kept
// (kept-places.ts) as long as there is a view.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { assert } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import { checkKey, checkObject, checkOffset } from '../preconditions.ts';
import type { Run } from '../store.ts';
import type {
  CheckProgress,
  StoreReport,
  StoreView,
  ViewEntries,
  ViewEntry,
} from '../store-view.ts';
import type { DeviceCheck } from './check.ts';
import type { NodeCache } from './node-cache.ts';
import { type Child, childIndex, Extent, isLeaf, type LeafNode, lowerBound } from './node.ts';
import { objectOf, piecesOf, unitOf } from './objects.ts';
import { type PageDevice, UNIT_SIZE } from './page-device.ts';
import type { PieceReader } from './piece-reader.ts';
import { isNode, type Root, Tree } from './tree.ts';

/** Leaves read at once. */
const READ_AHEAD = 16;

interface EngineViewParts {
  readonly device: PageDevice;
  readonly root: Root;
  readonly cache: NodeCache;
  readonly pieces: PieceReader;
  /** Has read what the view doesn't keep; undefined: there will be no check. */
  readonly check: DeviceCheck | undefined;
}

export class EngineView implements StoreView {
  readonly #parts: EngineViewParts;
  readonly #tree: Tree;
  readonly #onClose: () => void;
  #isClosed = false;

  constructor(parts: EngineViewParts, onClose: () => void) {
    this.#parts = parts;
    this.#tree = new Tree(parts.cache, parts.root);
    this.#onClose = onClose;
  }

  *get(key: string): Op<Uint8Array | undefined> {
    checkKey(key);
    this.#checkOpen();
    const value = yield* this.#tree.get(key);
    return value instanceof Uint8Array ? value : undefined;
  }

  *read(object: number, offset: number, length: number): Op<Run[]> {
    checkObject(object);
    checkOffset(offset);
    checkOffset(length);
    this.#checkOpen();
    const [from, to] = [offset / UNIT_SIZE, (offset + length) / UNIT_SIZE];
    const pieces = yield* piecesOf(this.#tree, object, from, to);
    const runs = yield* this.#parts.pieces.read(pieces, from, to);
    if (runs === undefined) throw linuxerr.EIO;
    return runs;
  }

  *entries(from: string, limit: number): Op<ViewEntries> {
    const entries: ViewEntry[] = [];
    let next: string | undefined = from;
    while (next !== undefined && entries.length < limit) {
      this.#checkOpen();
      const key: string = next;
      const { leaf, end } = yield* this.#leafAt(key);
      if (leaf === undefined) entries.push({ kind: 'damage', key, end });
      else addEntries(entries, leaf, key);
      next = end;
    }
    return { entries, next };
  }

  /** The leaf that covers a key, if it and what leads to it are whole; and where it ends. */
  *#leafAt(key: string): Op<{ leaf: LeafNode | undefined; end: string | undefined }> {
    const { root } = this.#parts;
    let node = isNode(root) ? root : yield* this.#load(root, []);
    let end: string | undefined;
    while (node !== undefined && !isLeaf(node)) {
      const index = childIndex(node.keys, key);
      end = node.keys[index + 1] ?? end;
      const [child, ...others]: Child[] = node.values.slice(index, index + 1 + READ_AHEAD);
      assert(child !== undefined, 'an inner node has children');
      node = yield* this.#load(child, node.level === 1 ? others : []);
    }
    return { leaf: node, end };
  }

  *#load(child: Child, others: readonly Child[]): ReturnType<NodeCache['load']> {
    try {
      return this.#parts.cache.get(child) ?? (yield* this.#parts.cache.load(child, others));
    } catch (error) {
      if (!(error instanceof LinuxError) || !this.#parts.device.isOpen) throw error;
      // It is as it was written, and makes no sense.
      return undefined;
    }
  }

  *check(onProgress?: (progress: CheckProgress) => void): Op<StoreReport> {
    const { check } = this.#parts;
    assert(check !== undefined, 'a view that was made to be checked');
    this.#checkOpen();
    return yield* check.finish(onProgress);
  }

  close(): void {
    this.#isClosed = true;
    this.#onClose();
  }

  #checkOpen(): void {
    assert(!this.#isClosed, 'the view is closed');
    if (!this.#parts.device.isOpen) throw linuxerr.EIO;
  }
}

function addEntries(entries: ViewEntry[], leaf: LeafNode, from: string): void {
  for (let i = lowerBound(leaf.keys, from); i < leaf.keys.length; i++) {
    const [key, value] = [leaf.keys[i], leaf.values[i]];
    if (key === undefined || value === undefined) continue;
    if (value instanceof Uint8Array) {
      entries.push({ kind: 'item', key, value });
      continue;
    }
    const length = (value instanceof Extent ? value.unitCount : 1) * UNIT_SIZE;
    const offset = unitOf(key) * UNIT_SIZE;
    entries.push({ kind: 'data', key, object: objectOf(key), offset, length });
  }
}
