// The ordered map: a B+tree whose nodes are never changed. A commit writes new ones from the
// changed leaves up to the root (tree-edit.ts); whoever still reads below the old root goes on to
// see the old state, and starts again from the new root if a node it needs was given up meanwhile.

import { linuxerr } from '../../abi/errno.ts';
import { assert } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { NodeCache } from './node-cache.ts';
import {
  type Child,
  childIndex,
  type InnerNode,
  isLeaf,
  type LeafNode,
  lowerBound,
  type LeafValue,
  type TreeNode,
} from './node.ts';

/** A root that is small is kept in the superblock. */
export type Root = Child | TreeNode;

/**
 * Told of each leaf in turn, and of the key at which the next one begins; undefined after the last.
 * Returns the key to go on with, not below `end`, or undefined to stop.
 */
export type Visit = (leaf: LeafNode, end: string | undefined) => string | undefined;

export interface Entry {
  readonly key: string;
  readonly value: LeafValue;
}

/** Entries with from ≤ key < to, in order, at most `limit`. */
export interface EntryRange {
  readonly from: string;
  readonly to: string;
  readonly limit?: number | undefined;
  /** Which values are wanted. Default: all. */
  readonly filter?: ((value: LeafValue) => boolean) | undefined;
}

/** No key that begins with the number of an object or an inode is above it. */
const KEYS_END = '\uffff\uffff\uffff\uffff';

export const EMPTY_ROOT: TreeNode = { level: 0, keys: [], values: [] };

/** Leaves read at once where one after the other is wanted. */
const READ_AHEAD_MAX = 16;
/** Those who want one after the other may have no use for so many in between. */
const SKIPPED_MAX = 2;

export class Tree {
  readonly #cache: NodeCache;
  #root: Root;
  #cachedEnd: string | undefined;
  /** The end of the leaves that were read last, and how many were read beyond the wanted one. */
  #readTo: string | undefined;
  #ahead = 0;

  constructor(cache: NodeCache, root: Root) {
    this.#cache = cache;
    this.#root = root;
  }

  /** What is set is committed. */
  get root(): Root {
    return this.#root;
  }

  set root(root: Root) {
    this.#root = root;
  }

  /** The value of `key`. */
  *get(key: string): Op<LeafValue | undefined> {
    // The usual case costs no second generator.
    let leaf = this.#cachedLeaf(key);
    if (leaf === undefined) {
      yield* this.walk(key, {
        visit(found) {
          leaf = found;
          return undefined;
        },
      });
    }
    assert(leaf !== undefined, 'a walk visits a leaf');
    const index = lowerBound(leaf.keys, key);
    return leaf.keys[index] === key ? leaf.values[index] : undefined;
  }

  /** Sets #cachedEnd to where the next leaf begins. */
  #cachedLeaf(key: string): LeafNode | undefined {
    let node = isNode(this.#root) ? this.#root : this.#cache.get(this.#root);
    this.#cachedEnd = undefined;
    while (node !== undefined && !isLeaf(node)) {
      const index = childIndex(node.keys, key);
      const child = node.values[index];
      this.#cachedEnd = node.keys[index + 1] ?? this.#cachedEnd;
      node = child === undefined ? undefined : this.#cache.get(child);
    }
    return node;
  }

  /** Entries with from ≤ key < to, in order, at most `limit`. All are of one moment. */
  *entries(range: EntryRange): Op<Entry[]> {
    const { from, to, limit = Infinity } = range;
    if (!(from < to) || limit <= 0) return [];
    // The usual case costs no second generator.
    const near = this.entriesAtOnce(range);
    if (near !== undefined) return near;
    let entries: Entry[] = [];
    yield* this.walk(from, {
      visit: (leaf, end) => {
        const isAll = addEntries(entries, leaf, range) || end === undefined || end >= to;
        return isAll ? undefined : end;
      },
      restart: () => {
        entries = [];
      },
    });
    return entries;
  }

  /** As entries(), if they are in one leaf and in memory; undefined if not. */
  entriesAtOnce(range: EntryRange): Entry[] | undefined {
    const leaf = this.#cachedLeaf(range.from);
    if (leaf === undefined) return undefined;
    const entries: Entry[] = [];
    const end = this.#cachedEnd;
    const isAll = addEntries(entries, leaf, range) || end === undefined || end >= range.to;
    return isAll ? entries : undefined;
  }

  /**
   * The entry of the largest key up to `key`, if it is in the leaf that covers `key`, and that in
   * memory; undefined if not.
   */
  floorAtOnce(key: string): Entry | undefined {
    const leaf = this.#cachedLeaf(key);
    if (leaf === undefined) return undefined;
    const at = lowerBound(leaf.keys, key);
    const index = leaf.keys[at] === key ? at : at - 1;
    const [found, value] = [leaf.keys[index], leaf.values[index]];
    return found === undefined || value === undefined ? undefined : { key: found, value };
  }

  /** The largest key; undefined if there is none. */
  *lastKey(): Op<string | undefined> {
    let last: string | undefined;
    yield* this.walk(KEYS_END, {
      visit(leaf) {
        last = leaf.keys.at(-1);
        return undefined;
      },
    });
    return last;
  }

  /**
   * Visits leaves from the one that covers `from` on. All are of one moment: if that is over before
   * the walk is, `restart` is called and it begins again.
   *
   * Errors: EIO if a node can't be read.
   */
  *walk(from: string, { visit, restart }: { visit: Visit; restart?: () => void }): Op<void> {
    for (;;) {
      const root = this.#root;
      if (yield* this.#walkBelow(root, from, visit)) return;
      // A node is missing. It may have been given up by a commit that ended since.
      if (root === this.#root) throw linuxerr.EIO;
      restart?.();
    }
  }

  /** False if a node is missing. */
  *#walkBelow(root: Root, from: string, visit: Visit): Op<boolean> {
    let key: string | undefined = from;
    while (key !== undefined) {
      let node = isNode(root) ? root : (this.#cache.get(root) ?? (yield* this.#cache.load(root)));
      let end: string | undefined;
      while (node !== undefined && !isLeaf(node)) {
        const index = childIndex(node.keys, key);
        const child: Child | undefined = node.values[index];
        assert(child !== undefined, 'an inner node has children');
        end = node.keys[index + 1] ?? end;
        const cached = this.#cache.get(child);
        if (cached !== undefined) node = cached;
        else if (node.level > 1) node = yield* this.#cache.load(child);
        else node = yield* this.#cache.load(child, this.#readAhead(node, index, end));
      }
      if (node === undefined) return false;
      key = visit(node, end);
    }
    return true;
  }

  /**
   * What to read with a leaf, child `index` of a node that ends at `end`: more and more of those
   * behind it, if it follows on what was read last. So does one directory on the other for somebody
   * who walks a tree in the order in which it was made.
   */
  #readAhead(
    { keys, values }: InnerNode,
    index: number,
    end: string | undefined,
  ): readonly Child[] {
    const readTo = this.#readTo;
    const follows =
      readTo !== undefined &&
      (keys[Math.max(0, index - SKIPPED_MAX)] ?? '') <= readTo &&
      readTo <= (keys[index] ?? '');
    const max = Math.min(READ_AHEAD_MAX, this.#cache.readAheadMax);
    this.#ahead = follows ? Math.min(max, this.#ahead * 2 + 1) : 0;
    const others = values.slice(index + 1, index + 1 + this.#ahead);
    this.#readTo = keys[index + 1 + others.length] ?? end;
    return others;
  }

  /**
   * The nodes that cover the keys, which are in ascending order, from the root down to the leaves.
   * No commit may end meanwhile.
   */
  *nodesOf(keys: readonly string[]): Op<Map<Child, TreeNode>> {
    const found = new Map<Child, TreeNode>();
    if (keys.length === 0) return found;
    const root = this.#root;
    let level: Covering[] = isNode(root)
      ? [{ node: root, end: undefined }]
      : yield* this.#loadAll([{ child: root, end: undefined }], found);
    for (;;) {
      assert(level.length > 0, 'a key has a leaf');
      const children: Below[] = [];
      let at = 0;
      for (const each of level) {
        if (isLeaf(each.node)) return found;
        at = addChildren(children, { node: each.node, end: each.end }, keys, at);
      }
      level = yield* this.#loadAll(children, found);
    }
  }

  *#loadAll(children: readonly Below[], found: Map<Child, TreeNode>): Op<Covering[]> {
    const level: Covering[] = [];
    for (const [i, { child, end }] of children.entries()) {
      let node = this.#cache.get(child);
      if (node === undefined) {
        const others = children.slice(i + 1, i + 1 + READ_AHEAD_MAX).map((each) => each.child);
        node = yield* this.#cache.load(child, others);
      }
      if (node === undefined) throw linuxerr.EIO;
      found.set(child, node);
      level.push({ node, end });
    }
    return level;
  }
}

/** Adds those of one leaf. False if the range goes on behind it. */
function addEntries(
  entries: Entry[],
  { keys, values }: LeafNode,
  { from, to, limit = Infinity, filter }: EntryRange,
): boolean {
  for (let i = lowerBound(keys, from); i < keys.length; i++) {
    const [key, value] = [keys[i], values[i]];
    if (key === undefined || value === undefined || key >= to) return true;
    if (filter?.(value) === false) continue;
    entries.push({ key, value });
    if (entries.length >= limit) return true;
  }
  return false;
}

/** A node and the key at which what it covers ends. */
interface Covering {
  readonly node: TreeNode;
  readonly end: string | undefined;
}

interface Below {
  readonly child: Child;
  readonly end: string | undefined;
}

/** Adds the children that cover keys from `at` on. Returns the first key beyond the node. */
function addChildren(
  children: Below[],
  { node, end }: { readonly node: InnerNode; readonly end: string | undefined },
  keys: readonly string[],
  at: number,
): number {
  let next = at;
  for (let key = keys[next]; key !== undefined; key = keys[next]) {
    if (end !== undefined && key >= end) break;
    const index = childIndex(node.keys, key);
    const child = node.values[index];
    assert(child !== undefined, 'an inner node has children');
    const childEnd = node.keys[index + 1] ?? end;
    children.push({ child, end: childEnd });
    while (next < keys.length && (childEnd === undefined || (keys[next] ?? '') < childEnd)) next++;
  }
  return next;
}

export function isNode(root: Root): root is TreeNode {
  return 'level' in root;
}
