// Subvolume: a tree with a name, as a store.

import { linuxerr } from '../../abi/errno.ts';
import type { MirrorStatus } from '../../lib/mirror-status.ts';
import type { Op } from '../../lib/op.ts';
import { checkBatch } from '../preconditions.ts';
import type { Batch, Durability, Store, StoreUsage } from '../store.ts';
import type { Replacement, StoreView, ViewOptions } from '../store-view.ts';
import type { Subvolumes } from '../subvolumes.ts';
import type { PageDevice } from './page-device.ts';
import type { PieceReader } from './piece-reader.ts';
import type { Tree } from './tree.ts';
import { TreeReader } from './tree-reader.ts';

export interface SubvolumeOptions {
  readonly name: string;
  readonly tree: Tree;
  /** Whose tree it is: its medium and its room are theirs together. */
  readonly store: Store;
  readonly device: PageDevice;
  readonly pieces: PieceReader;
  readonly isReadOnly: boolean;
  readonly subvolumes: Subvolumes;
  readonly commit: (batch: Batch, durability: Durability) => Op<void>;
  readonly view: (options: ViewOptions) => Op<StoreView>;
  readonly onClosed: () => void;
}

export class Subvolume extends TreeReader implements Store {
  readonly subvolume: string;
  readonly isReadOnly: boolean;
  readonly #options: SubvolumeOptions;
  #isClosed = false;

  constructor(options: SubvolumeOptions) {
    super(options.tree, options);
    this.#options = options;
    this.subvolume = options.name;
    this.isReadOnly = options.isReadOnly;
  }

  get subvolumes(): Subvolumes {
    return this.#options.subvolumes;
  }

  get isOpen(): boolean {
    return !this.#isClosed && this.#options.store.isOpen;
  }

  get mirror(): MirrorStatus | undefined {
    return this.#options.store.mirror;
  }

  get forgetsWrites(): boolean {
    return this.#options.store.forgetsWrites === true;
  }

  get reservedBytes(): number {
    return this.#options.store.reservedBytes;
  }

  *reserve(bytes: number): Op<number> {
    if (this.#isClosed) throw linuxerr.EIO;
    return yield* this.#options.store.reserve(bytes);
  }

  *commit(batch: Batch, { durability }: { readonly durability: Durability }): Op<void> {
    checkBatch(batch);
    if (this.#isClosed) throw linuxerr.EIO;
    if (this.isReadOnly) throw linuxerr.EROFS;
    yield* this.#options.commit(batch, durability);
  }

  /** The log is the main tree's. */
  *log(): Op<boolean> {
    return false;
  }

  *view(options: ViewOptions = {}): Op<StoreView> {
    if (this.#isClosed) throw linuxerr.EIO;
    return yield* this.#options.view(options);
  }

  *replace(): Op<Replacement> {
    throw linuxerr.EROFS;
  }

  usage(): Op<StoreUsage> {
    return this.#options.store.usage();
  }

  *close(): Op<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.onClosed();
  }
}
