// Edits of the tree: from sorted changes to new nodes. The nodes that cover them have been read;
// nothing here waits.

import { assert, assertDefined } from '../../lib/assert.ts';
import {
  type Child,
  encodeNode,
  entryBytes,
  isLeaf,
  type LeafNode,
  type LeafValue,
  NODE_HEADER_BYTES,
  NODE_SIZE_MAX,
  nodeToBytes,
  type InnerNode,
  type TreeNode,
} from './node.ts';
import type { NodeCache } from './node-cache.ts';
import { unitsOf } from './page-device.ts';
import { EMPTY_ROOT, isNode, type Root } from './tree.ts';

/** A new value of a key, or undefined: it goes. */
export type Change = readonly [key: string, value: LeafValue | undefined];

/** A node below this size is joined with a neighbour that is in memory. */
const NODE_SIZE_MIN = NODE_SIZE_MAX / 4;
/** A root up to this size is kept in the superblock. */
const ROOT_SIZE_INLINE = 12 * 1024;

/** Leaves of edits with more changes are not kept as nodes. */
const KEPT_CHANGES_MAX = 1024;

/** A node to be written. */
interface Draft {
  readonly level: number;
  readonly keys: readonly string[];
  readonly values: readonly (LeafValue | Child | Draft)[];
  readonly sizeBytes: number;
}

interface DraftEntry {
  readonly key: string;
  readonly value: Child | Draft;
}

export interface EditParts {
  readonly root: Root;
  /** Nodes that cover the changes: Tree.nodesOf(). */
  readonly nodes: ReadonlyMap<Child, TreeNode>;
  readonly cache: NodeCache;
}

export interface Written {
  readonly child: Child;
  readonly bytes: Uint8Array;
  /** What the bytes are. Undefined: there are many, and they may never be read. */
  readonly node: TreeNode | undefined;
}

/** What a commit does to a tree. */
export interface TreeEdit {
  readonly root: Root;
  readonly written: readonly Written[];
  readonly freed: readonly Child[];
}

/** Makes the nodes. `changes` are in ascending order of their keys, each key once. */
export function editTree(
  parts: EditParts,
  changes: readonly Change[],
  write: {
    readonly allocate: (units: number) => number;
    readonly checksum: (bytes: Uint8Array) => number;
    readonly generation: number;
  },
): TreeEdit {
  const { root } = parts;
  if (changes.length === 0) return { root, written: [], freed: [] };
  const edit = new Edit(parts, changes);
  const top = edit.rebuildRoot();
  if (top === undefined) return { root: EMPTY_ROOT, written: [], freed: edit.freed };
  if (!isDraft(top)) return { root: top, written: [], freed: edit.freed };
  const written: Written[] = [];
  const toNode = ({ level, keys, values }: Draft): TreeNode => {
    if (level === 0) return { level, keys, values } as TreeNode;
    const children = values.map((value) => (isDraft(value) ? writeDraft(value) : value));
    return { level, keys, values: children } as TreeNode;
  };
  const encodeDraft = (draft: Draft): Pick<Written, 'bytes' | 'node'> => {
    // The next commit needs inner nodes, and leaves where little has changed.
    const isKept = draft.level > 0 || changes.length <= KEPT_CHANGES_MAX;
    if (isKept) return encodeNode(toNode(draft), draft.sizeBytes);
    return { bytes: nodeToBytes(toNode(draft), draft.sizeBytes), node: undefined };
  };
  const writeDraft = (draft: Draft): Child => {
    const { bytes, node } = encodeDraft(draft);
    const address = write.allocate(unitsOf(bytes.length));
    const { generation } = write;
    const child = { address, sizeBytes: bytes.length, checksum: write.checksum(bytes), generation };
    written.push({ child, node, bytes });
    return child;
  };
  const isInline = top.sizeBytes <= ROOT_SIZE_INLINE;
  const newRoot = isInline ? encodeNode(toNode(top), top.sizeBytes).node : writeDraft(top);
  return { root: newRoot, written, freed: edit.freed };
}

function isDraft(value: LeafValue | Child | Draft): value is Draft {
  return 'level' in value;
}

class Edit {
  readonly freed: Child[] = [];
  readonly #root: Root;
  readonly #nodes: ReadonlyMap<Child, TreeNode>;
  readonly #cache: NodeCache;
  readonly #changes: readonly Change[];
  /** The next change to be made. */
  #next = 0;

  constructor({ root, nodes, cache }: EditParts, changes: readonly Change[]) {
    this.#root = root;
    this.#nodes = nodes;
    this.#cache = cache;
    this.#changes = changes;
  }

  /** The new root; undefined: nothing is left. */
  rebuildRoot(): Draft | Child | undefined {
    const root = this.#root;
    if (!isNode(root)) this.freed.push(root);
    const node = isNode(root) ? root : assertDefined(this.#nodes.get(root));
    let entries = this.#rebuild(node, { key: '', end: undefined });
    assert(this.#next === this.#changes.length, 'all changes are made');
    for (let level = node.level + 1; entries.length > 1; level++) {
      entries = entriesOf(split(level, entries), undefined);
    }
    let top = entries[0]?.value;
    // An inner node with one child is none.
    while (top !== undefined && isDraft(top) && top.level > 0 && top.values.length === 1) {
      top = top.values[0] as Child | Draft;
    }
    return top;
  }

  /** What takes the place of a node that covers keys from `key` up to `end`. */
  #rebuild(node: TreeNode, place: { key: string; end: string | undefined }): DraftEntry[] {
    return isLeaf(node) ? this.#rebuildLeaf(node, place) : this.#rebuildInner(node, place);
  }

  #rebuildLeaf(
    node: LeafNode,
    { key, end }: { key: string; end: string | undefined },
  ): DraftEntry[] {
    const keys: string[] = [];
    const values: LeafValue[] = [];
    const keep = (from: number, to: number): void => {
      for (let i = from; i < to; i++) {
        keys.push(node.keys[i] ?? '');
        values.push(assertDefined(node.values[i]));
      }
    };
    let at = 0;
    for (
      let change = this.#changes[this.#next];
      change !== undefined;
      change = this.#changes[++this.#next]
    ) {
      const [changed, value] = change;
      if (end !== undefined && changed >= end) break;
      const from = at;
      while (at < node.keys.length && (node.keys[at] ?? '') < changed) at++;
      keep(from, at);
      if (node.keys[at] === changed) at++;
      if (value === undefined) continue;
      keys.push(changed);
      values.push(value);
    }
    const grewAtEnd = at === node.keys.length;
    keep(at, node.keys.length);
    return entriesOf(splitEntries(0, { keys, values }, grewAtEnd), key);
  }

  #rebuildInner(
    node: InnerNode,
    { key, end }: { key: string; end: string | undefined },
  ): DraftEntry[] {
    const entries: DraftEntry[] = [];
    node.values.forEach((child, i) => {
      const childKey = node.keys[i] ?? '';
      const childEnd = node.keys[i + 1] ?? end;
      const next = this.#changes[this.#next]?.[0];
      if (next === undefined || (childEnd !== undefined && next >= childEnd)) {
        entries.push({ key: childKey, value: child });
        return;
      }
      this.freed.push(child);
      const below = assertDefined(this.#nodes.get(child));
      entries.push(...this.#rebuild(below, { key: childKey, end: childEnd }));
    });
    return entriesOf(split(node.level, this.#joinSmall(entries)), key);
  }

  /** Joins neighbours where one is a draft that became small, and both fit into a node. */
  #joinSmall(entries: readonly DraftEntry[]): DraftEntry[] {
    const joined: DraftEntry[] = [];
    for (const entry of entries) {
      const last = joined.at(-1);
      const both = last === undefined ? undefined : this.#join(last, entry);
      if (both === undefined) joined.push(entry);
      else joined[joined.length - 1] = both;
    }
    return joined;
  }

  #join(left: DraftEntry, right: DraftEntry): DraftEntry | undefined {
    const isSmall = ({ value }: DraftEntry): boolean =>
      isDraft(value) && value.sizeBytes < NODE_SIZE_MIN;
    if (!isSmall(left) && !isSmall(right)) return undefined;
    if (left.value.sizeBytes + right.value.sizeBytes > NODE_SIZE_MAX) return undefined;
    const [first, second] = [this.#contentOf(left.value), this.#contentOf(right.value)];
    if (first === undefined || second === undefined) return undefined;
    for (const { value } of [left, right]) if (!isDraft(value)) this.freed.push(value);
    const keys = [...first.keys, ...second.keys];
    const values = [...first.values, ...second.values];
    const [draft, ...rest] = splitEntries(first.level, { keys, values }, false);
    assert(draft !== undefined && rest.length === 0, 'two that fit are one');
    return { key: left.key, value: draft };
  }

  #contentOf(value: Child | Draft): Omit<Draft, 'sizeBytes'> | undefined {
    return isDraft(value) ? value : (this.#nodes.get(value) ?? this.#cache.get(value));
  }
}

function split(level: number, entries: readonly DraftEntry[]): Draft[] {
  const keys = entries.map(({ key }) => key);
  return splitEntries(level, { keys, values: entries.map(({ value }) => value) }, false);
}

/** As many nodes as it takes: alike, or as full as can be if more is likely to follow. */
function splitEntries(
  level: number,
  { keys, values }: Pick<Draft, 'keys' | 'values'>,
  growsAtEnd: boolean,
): Draft[] {
  const sizes: number[] = [];
  let total = NODE_HEADER_BYTES;
  let previous = '';
  for (let i = 0; i < values.length; i++) {
    const key = keys[i] ?? '';
    const size = entryBytes(previous, key, placeholder(level, assertDefined(values[i])));
    sizes.push(size);
    total += size;
    previous = key;
  }
  const count = Math.ceil(total / NODE_SIZE_MAX);
  const target = growsAtEnd ? NODE_SIZE_MAX : total / count;
  const drafts: Draft[] = [];
  let start = 0;
  let size = NODE_HEADER_BYTES;
  for (let i = 0; i < values.length; i++) {
    const entry = sizes[i] ?? 0;
    if (i > start && (size + entry > NODE_SIZE_MAX || size >= target)) {
      drafts.push(draftOf(level, keys.slice(start, i), values.slice(start, i), size));
      start = i;
      size = NODE_HEADER_BYTES;
      // What comes first in a node shares nothing with what is before it.
      size += entryBytes('', keys[i] ?? '', placeholder(level, assertDefined(values[i])));
    } else size += entry;
  }
  if (start < values.length)
    drafts.push(draftOf(level, keys.slice(start), values.slice(start), size));
  return drafts;
}

function draftOf(
  level: number,
  keys: readonly string[],
  values: Draft['values'],
  sizeBytes: number,
): Draft {
  return { level, keys, values, sizeBytes };
}

const SOME_CHILD: Child = { address: 0, sizeBytes: 0, checksum: 0, generation: 0 };

/** Something of the same size. */
function placeholder(level: number, value: LeafValue | Child | Draft): LeafValue | Child {
  return level > 0 ? SOME_CHILD : (value as LeafValue);
}

/** `key`: where what the drafts cover begins, if that is known. */
function entriesOf(drafts: readonly Draft[], key: string | undefined): DraftEntry[] {
  return drafts.map((value, i) => {
    const first = value.keys[0] ?? '';
    return { key: i === 0 && key !== undefined && key < first ? key : first, value };
  });
}
