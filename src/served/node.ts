// Node: a position in the served tree, whatever file is there. Requests about one position of all
// clients meet here. Mirrors gVisor pkg/lisafs/node.go.
//
// A node is there while somebody holds it, or nodes beneath it. Which names a directory's nodes
// have is changed only with the directory held for writing, or the whole tree.

import { assert } from '../lib/assert.ts';
import { RwLock } from '../lib/rw-lock.ts';
import type { ServedFile } from './served-file.ts';

/** A client's hold of a file at a node: a control FD of lisafs', a file of fids. */
export interface Holder {
  readonly node: Node;
  readonly file: ServedFile;
  /** The same for all who hold the file: fileKeyOf(). */
  readonly fileKey: string;
  /** FileLocks.hold(). Undefined of a directory, which has one name: its node's lock will do. */
  readonly fileMu: RwLock | undefined;
  /** Tells it from an earlier file of that key: birthOf(). */
  readonly birth: string;
  /** Whose it is; compared by identity. */
  readonly client: object;
  /** Another client has changed the file: CHANGED_ flags. */
  changed(flags: number, name: string): void;
}

export class Node {
  readonly opMu = new RwLock();
  #parent: Node | undefined;
  #name: string;
  #isDeleted = false;
  /** Holders, and children. */
  #refs = 0;
  readonly #children = new Map<string, Node>();
  /** Of all clients. */
  readonly holders = new Set<Holder>();

  /** The root has no parent, and no name. */
  constructor(parent?: Node, name = '') {
    this.#parent = parent;
    this.#name = name;
  }

  /** What was here has been removed: nothing is done by name any more. */
  get isDeleted(): boolean {
    return this.#isDeleted;
  }

  /** Names from the root; undefined if it has been removed. */
  get path(): readonly string[] | undefined {
    if (this.#isDeleted) return undefined;
    const names: string[] = [];
    let [above, name] = [this.#parent, this.#name];
    while (above !== undefined) {
      names.push(name);
      [above, name] = [above.#parent, above.#name];
    }
    return names.reverse();
  }

  /** Undefined if nobody has anything to do with it. */
  peek(name: string): Node | undefined {
    return this.#children.get(name);
  }

  /** Of the file that was found here last; undefined if nobody holds it, or it is a directory. */
  get fileMu(): RwLock | undefined {
    let last: Holder | undefined;
    for (const holder of this.holders) last = holder;
    return last?.fileMu;
  }

  /** Holds the node at `name`: to be let go with release(). */
  hold(name: string): Node {
    const child = this.#children.get(name) ?? new Node(this, name);
    child.retain();
    return child;
  }

  retain(): void {
    this.#refs++;
    if (this.#refs > 1) return;
    const parent = this.#parent;
    if (parent === undefined) return;
    parent.retain();
    parent.#children.set(this.#name, this);
  }

  /** A chain of directories may be long: no recursion. */
  release(): void {
    let node: Node | undefined = this.#letGo();
    while (node !== undefined) node = node.#letGo();
  }

  /** Returns what is to be let go next. */
  #letGo(): Node | undefined {
    assert(this.#refs > 0, 'a node is released that nobody holds');
    this.#refs--;
    return this.#refs === 0 ? this.#detach() : undefined;
  }

  /** Is it `other`, or somewhere beneath it? */
  isAtOrBeneath(other: Node): boolean {
    if (this === other) return true;
    let above = this.#parent;
    while (above !== undefined && above !== other) above = above.#parent;
    return above === other;
  }

  /** What is at `name` has been removed. */
  remove(name: string): void {
    const child = this.#children.get(name);
    if (child === undefined) return;
    child.#leave();
    child.#markDeleted();
  }

  /** What is at `name` is now at `newName` of `target`; what was there is gone, or exchanged. */
  rename(name: string, target: Node, newName: string, isExchange: boolean): void {
    const moved = this.#children.get(name);
    const replaced = target.#children.get(newName);
    if (moved !== undefined && moved === replaced) return;
    moved?.retain();
    replaced?.retain();
    if (moved !== undefined) moved.#leave();
    if (replaced !== undefined) replaced.#leave();
    if (moved !== undefined) moved.#enter(target, newName);
    if (replaced !== undefined) {
      if (isExchange) replaced.#enter(this, name);
      else replaced.#markDeleted();
    }
    moved?.release();
    replaced?.release();
  }

  /** Files at and beneath it have another way from the root. Tells what has a file itself. */
  tellRenamed(): void {
    for (const node of this.#withAllBeneath()) {
      const [directory] = node.#parent?.holders ?? [];
      if (directory === undefined) continue;
      for (const { file } of node.holders) file.renamed(directory.file, node.#name);
    }
  }

  /** Parents come before what is in them. */
  #withAllBeneath(): readonly Node[] {
    const nodes: Node[] = [this];
    // It grows meanwhile.
    for (const node of nodes) nodes.push(...node.#children.values());
    return nodes;
  }

  #enter(parent: Node, name: string): void {
    this.#parent = parent;
    this.#name = name;
    parent.retain();
    parent.#children.set(name, this);
  }

  #leave(): void {
    this.#detach()?.release();
  }

  /** Returns the parent, which is still to be released. */
  #detach(): Node | undefined {
    const parent = this.#parent;
    this.#parent = undefined;
    if (parent !== undefined) parent.#children.delete(this.#name);
    return parent;
  }

  #markDeleted(): void {
    for (const node of this.#withAllBeneath()) node.#isDeleted = true;
  }
}
