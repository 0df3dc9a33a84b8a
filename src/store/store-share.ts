// StoreShare: a store that several users have open, each one of its trees. It is closed when the
// last of them closes his.

import { linuxerr } from '../abi/errno.ts';
import type { Op } from '../lib/op.ts';
import type { Batch, Durability, Item, Run, ScanOptions, Store, StoreUsage } from './store.ts';
import type { Subvolumes } from './subvolumes.ts';

export class StoreShare {
  readonly #store: Store;
  /** Names of the trees that are open; undefined: the main one. */
  readonly #users = new Set<string | undefined>();
  #isClosed = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Nobody has it open any more, and nobody can open it again. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * A tree of the store; undefined: the main one. If that fails, and nobody else has the store
   * open, it is closed.
   *
   * Errors:
   *  - EBUSY if somebody has it open.
   *  - EOPNOTSUPP if the store has only one tree.
   *  - ENOENT if there is none of that name.
   */
  *open(name: string | undefined): Op<Store> {
    if (this.#users.has(name)) throw linuxerr.EBUSY;
    this.#users.add(name);
    try {
      return new SharedStore(yield* this.#tree(name), () => this.#close(name));
    } catch (error) {
      yield* this.#close(name);
      throw error;
    }
  }

  *#tree(name: string | undefined): Op<Store> {
    if (name === undefined) return this.#store;
    const { subvolumes } = this.#store;
    if (subvolumes === undefined) throw linuxerr.EOPNOTSUPP;
    return yield* subvolumes.open(name);
  }

  *#close(name: string | undefined): Op<void> {
    this.#users.delete(name);
    if (this.#users.size > 0) return;
    this.#isClosed = true;
    yield* this.#store.close();
  }
}

class SharedStore implements Store {
  readonly #tree: Store;
  readonly #onClosed: () => Op<void>;
  #isClosed = false;

  constructor(tree: Store, onClosed: () => Op<void>) {
    this.#tree = tree;
    this.#onClosed = onClosed;
  }

  get isReadOnly(): boolean {
    return this.#tree.isReadOnly ?? false;
  }

  get subvolumes(): Subvolumes | undefined {
    return this.#tree.subvolumes;
  }

  get subvolume(): string | undefined {
    return this.#tree.subvolume;
  }

  get(key: string): Op<Uint8Array | undefined> {
    this.#checkOpen();
    return this.#tree.get(key);
  }

  scan(options: ScanOptions): Op<Item[]> {
    this.#checkOpen();
    return this.#tree.scan(options);
  }

  read(object: number, offset: number, length: number): Op<Run[]> {
    this.#checkOpen();
    return this.#tree.read(object, offset, length);
  }

  nextData(object: number, offset: number): Op<number | undefined> {
    this.#checkOpen();
    return this.#tree.nextData(object, offset);
  }

  commit(batch: Batch, options: { readonly durability: Durability }): Op<void> {
    this.#checkOpen();
    return this.#tree.commit(batch, options);
  }

  usage(): Op<StoreUsage> {
    this.#checkOpen();
    return this.#tree.usage();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw linuxerr.EIO;
  }

  *close(): Op<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // The main tree is the store itself.
    if (this.#tree.subvolume !== undefined) yield* this.#tree.close();
    yield* this.#onClosed();
  }
}
