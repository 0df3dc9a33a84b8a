// StoreShare: a store that several users have open, each one of its trees. It is closed when the
// last of them closes his.
//
// The room that is held for commits to come is divided: what one of them counts on, no other does.

import { linuxerr } from '../abi/errno.ts';
import type { MirrorStatus } from '../lib/mirror-status.ts';
import { Mutex, type Op } from '../lib/op.ts';
import type {
  Batch,
  ByteRange,
  Durability,
  Item,
  ReadAtOnce,
  Run,
  ScanOptions,
  Store,
  StoreUsage,
} from './store.ts';
import type { Replacement, ScrubReport, StoreView, ViewOptions } from './store-view.ts';
import type { Subvolumes } from './subvolumes.ts';

export class StoreShare {
  readonly #store: Store;
  /** Names of the trees that are open; undefined: the main one. */
  readonly #users = new Set<string | undefined>();
  readonly #room: SharedRoom;
  readonly #onClosed: () => void;
  #isClosed = false;

  /** `onClosed`: nobody has it open any more; it may still be closing. */
  constructor(store: Store, onClosed: () => void) {
    this.#store = store;
    this.#onClosed = onClosed;
    this.#room = new SharedRoom(store);
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
      const tree = yield* this.#tree(name);
      return new SharedStore(tree, this.#room, () => this.#close(name));
    } catch (error) {
      yield* this.#close(name);
      throw error;
    }
  }

  *#tree(name: string | undefined): Op<Store> {
    if (name === undefined) {
      // Others may have kept it open since.
      if (this.#store.recover !== undefined) yield* this.#store.recover();
      return this.#store;
    }
    const { subvolumes } = this.#store;
    if (subvolumes === undefined) throw linuxerr.EOPNOTSUPP;
    return yield* subvolumes.open(name);
  }

  *#close(name: string | undefined): Op<void> {
    this.#users.delete(name);
    if (this.#users.size > 0) return;
    this.#isClosed = true;
    this.#onClosed();
    yield* this.#store.close();
  }
}

/** What each user has of what the store holds. */
class SharedRoom {
  readonly #store: Store;
  /** In bytes, when it was divided last. What commits have used since, all of them lack. */
  readonly #parts = new Map<Store, number>();
  readonly #mutex = new Mutex();

  constructor(store: Store) {
    this.#store = store;
  }

  join(user: Store): void {
    this.#divide();
    this.#parts.set(user, 0);
  }

  leave(user: Store): void {
    this.#parts.delete(user);
  }

  partOf(user: Store): number {
    const held = this.#store.reservedBytes;
    if (this.#parts.size === 1) return held;
    const part = this.#parts.get(user) ?? 0;
    const sum = sumOf(this.#parts.values());
    return held >= sum ? part : Math.floor((held / sum) * part);
  }

  #divide(): void {
    const parts = [...this.#parts.keys()].map((user) => [user, this.partOf(user)] as const);
    for (const [user, part] of parts) this.#parts.set(user, part);
  }

  /**
   * Returns what the user got, of which its commits may have used some by now. Errors: those of
   * Store.reserve().
   */
  *reserve(user: Store, bytes: number): Op<number> {
    yield* this.#mutex.lock();
    try {
      this.#divide();
      const held = yield* this.#store.reserve(this.#ofOthers(user) + bytes);
      // Others may have gone. What they have used since, all lack alike.
      const part = Math.max(0, held - this.#ofOthers(user));
      if (this.#parts.has(user)) this.#parts.set(user, part);
      return part;
    } finally {
      this.#mutex.unlock();
    }
  }

  #ofOthers(user: Store): number {
    return sumOf(this.#parts.values()) - (this.#parts.get(user) ?? 0);
  }
}

function sumOf(numbers: Iterable<number>): number {
  let sum = 0;
  for (const number of numbers) sum += number;
  return sum;
}

class SharedStore implements Store {
  readonly #tree: Store;
  readonly #room: SharedRoom;
  readonly #onClosed: () => Op<void>;
  #isClosed = false;

  constructor(tree: Store, room: SharedRoom, onClosed: () => Op<void>) {
    this.#tree = tree;
    this.#room = room;
    this.#onClosed = onClosed;
    room.join(this);
  }

  get isOpen(): boolean {
    return !this.#isClosed && this.#tree.isOpen;
  }

  get mirror(): MirrorStatus | undefined {
    return this.#tree.mirror;
  }

  get forgetsWrites(): boolean {
    return this.#tree.forgetsWrites === true;
  }

  get reservedBytes(): number {
    return this.#room.partOf(this);
  }

  *reserve(bytes: number): Op<number> {
    this.#checkOpen();
    return yield* this.#room.reserve(this, bytes);
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

  readAtOnce(
    object: number,
    within: ByteRange,
    wanted: readonly ByteRange[],
  ): ReadAtOnce | undefined {
    return this.#isClosed ? undefined : this.#tree.readAtOnce?.(object, within, wanted);
  }

  readInto(object: number, offset: number, target: Uint8Array): boolean {
    return !this.#isClosed && this.#tree.readInto?.(object, offset, target) === true;
  }

  dataRanges(object: number, offset: number, length: number): Op<ByteRange[]> {
    this.#checkOpen();
    return this.#tree.dataRanges(object, offset, length);
  }

  nextData(object: number, offset: number): Op<number | undefined> {
    this.#checkOpen();
    return this.#tree.nextData(object, offset);
  }

  commit(batch: Batch, options: { readonly durability: Durability }): Op<void> {
    this.#checkOpen();
    return this.#tree.commit(batch, options);
  }

  log(batch: Batch): Op<boolean> {
    this.#checkOpen();
    return this.#tree.log(batch);
  }

  view(options?: ViewOptions): Op<StoreView> {
    this.#checkOpen();
    return this.#tree.view(options);
  }

  replace(): Op<Replacement> {
    this.#checkOpen();
    return this.#tree.replace();
  }

  *scrub(): Op<ScrubReport | undefined> {
    this.#checkOpen();
    return this.#tree.scrub === undefined ? undefined : yield* this.#tree.scrub();
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
    this.#room.leave(this);
    // The main tree is the store itself.
    if (this.#tree.subvolume !== undefined) yield* this.#tree.close();
    yield* this.#onClosed();
  }
}
