// Node: a position in the served tree, whatever file is there. Requests about one position of all
// clients meet here. Mirrors gVisor pkg/lisafs/node.go.
//
// A node is there while FDs of it are, or nodes beneath it. Which names a directory's nodes have is
// changed only with the directory held for writing, or the whole tree.

import { assert } from '../lib/assert.ts';
import { RwLock } from '../lib/rw-lock.ts';
import type { ServedFile } from './served-file.ts';

export class Node {
  readonly opMu = new RwLock();
  #parent: Node | undefined;
  #name: string;
  #isDeleted = false;
  /** FDs, and children. */
  #refs = 0;
  readonly #children = new Map<string, Node>();
  /** Files of the control FDs. */
  readonly #files = new Set<ServedFile>();

  /** The root has no parent, and no name. */
  constructor(parent?: Node, name = '') {
    this.#parent = parent;
    this.#name = name;
  }

  /** What was here has been removed: nothing is done by name any more. */
  get isDeleted(): boolean {
    return this.#isDeleted;
  }

  get isRoot(): boolean {
    return this.#parent === undefined && !this.#isDeleted;
  }

  get name(): string {
    return this.#name;
  }

  /** Undefined if nobody has anything to do with it. */
  peek(name: string): Node | undefined {
    return this.#children.get(name);
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

  release(): void {
    assert(this.#refs > 0, 'a node is released that nobody holds');
    this.#refs--;
    if (this.#refs === 0) this.#leave();
  }

  addFile(file: ServedFile): void {
    this.#files.add(file);
  }

  removeFile(file: ServedFile): void {
    this.#files.delete(file);
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
    const parent = this.#parent;
    if (parent === undefined) return;
    const [directory] = parent.#files;
    if (directory !== undefined) {
      for (const file of this.#files) file.renamed(directory, this.#name);
    }
    for (const child of this.#children.values()) child.tellRenamed();
  }

  #enter(parent: Node, name: string): void {
    this.#parent = parent;
    this.#name = name;
    parent.retain();
    parent.#children.set(name, this);
  }

  #leave(): void {
    const parent = this.#parent;
    if (parent === undefined) return;
    this.#parent = undefined;
    parent.#children.delete(this.#name);
    parent.release();
  }

  #markDeleted(): void {
    this.#isDeleted = true;
    for (const child of this.#children.values()) child.#markDeleted();
  }
}
