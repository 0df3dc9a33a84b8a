// Changes: everything that differs from the store, and the commits that write it.
//
// Items of names change as they happen; inodes and data are only noted, and encoded when a commit
// begins. Beginning a commit is one synchronous step. Ending one, well or badly, is another.
//
// Inodes of which nothing but the access time has changed are noted apart, as with Linux's
// lazytime: they start no commit by themselves for a while. A walk through a large tree leaves one
// in many nodes of the store's tree, all of which a commit writes anew: it does so in portions.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { assert, assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { Batch, Durability, ItemChange, Store } from '../../store/store.ts';
import { ErrorSequence } from '../shared/error-sequence.ts';
import { BLOCK_SIZE, type Chunk } from '../shared/file-data.ts';
import type { Inode } from '../shared/inode.ts';
import { ChangedInodes } from './changed-inodes.ts';
import { type DirtyTracker, type CachedData, isPartOfMore } from '../shared/cached-data.ts';
import {
  encodeFilesystem,
  encodeInode,
  filesystemKey,
  inodeKey,
  noteKey,
  orphanKey,
} from './items.ts';
import { PendingItems } from './pending-items.ts';
import { encodeXattrs, xattrObject } from './xattr-blob.ts';
import type { CommitSource } from './write-back.ts';

export interface ChangesOwner {
  /** The next number an inode will get. */
  nextIno(): number;
  /** Called after every change. */
  changed(): void;
  /** Called when an inode was used, and nothing else of it has changed. */
  accessed(): void;
  /** A commit begins: what is to be kept with it besides, of others. */
  notes(): Iterable<readonly [key: string, value: Uint8Array | undefined]>;
  /** All there was when it began is in the store's log. */
  logged(): void;
  /**
   * These inodes are as in the store, as far as they have not changed again. `hasRemoved`: data of
   * the store went.
   */
  committed(inodes: Iterable<Inode>, how: { readonly hasRemoved: boolean }): void;
}

type Write = Batch['writes'][number];

/** A chunk, and which of its blocks differ from the store. */
interface DirtyChunk {
  readonly data: CachedData;
  readonly chunk: Chunk;
  readonly mask: number;
}

/** What a commit under way is writing. */
interface Commit {
  readonly inodes: ChangedInodes;
  readonly chunks: DirtyChunk[];
  /** Object → where its end was cut. */
  readonly discards: Map<number, number>;
  readonly holes: Map<number, Hole[]>;
  readonly xattrs: Set<Inode>;
  readonly nextIno: number;
  readonly bytes: number;
}

/** A range of an object that became a hole. */
interface Hole {
  readonly from: number;
  readonly to: number;
}

const NO_HOLES: readonly Hole[] = [];

const NOTHING_COMMITTED: Omit<Commit, 'inodes' | 'nextIno' | 'bytes'> = {
  chunks: [],
  discards: new Map(),
  holes: new Map(),
  xattrs: new Set(),
};

/** What an item that changed counts as, in bytes: about what it takes in the store. */
const ITEM_BYTES = 64;
const INODE_BYTES = 128;
/** What an inode takes in memory until it is committed, with its names and items, about. */
const CHANGED_INODE_BYTES = 1024;
/** What an inode takes in memory that has to stay there for its access time, about, in bytes. */
const ACCESSED_INODE_BYTES = 512;
/** A commit writes so much of nodes at most for access times, in bytes. */
const ACCESSED_NODE_BYTES_MAX = 4 << 20;
/** So much is logged at most, counted that way. */
const LOG_BYTES_MAX = 16 * 1024;

export class Changes implements CommitSource, DirtyTracker {
  readonly items: PendingItems;
  readonly #store: Store;
  readonly #owner: ChangesOwner;
  #inodes = new ChangedInodes();
  /** Of which only the access time has changed. */
  readonly #accessed = new ChangedInodes();
  #data = new Set<CachedData>();
  #discards = new Map<number, number>();
  #holes = new Map<number, Hole[]>();
  /** Inodes whose extended attributes have changed. */
  #xattrs = new Set<Inode>();
  /** Inodes that are on the store's list of orphans, or will be with the next commit. */
  readonly #orphans = new Set<number>();
  #dataBytes = 0;
  #committedNextIno = 0;
  #commit: Commit | undefined;

  constructor(store: Store, owner: ChangesOwner) {
    this.#store = store;
    this.#owner = owner;
    this.items = new PendingItems(store);
  }

  get isOpen(): boolean {
    return this.#store.isOpen;
  }

  get hasChanges(): boolean {
    return this.hasUrgentChanges || this.#accessed.size > 0;
  }

  get hasUrgentChanges(): boolean {
    return this.dirtyBytes > 0 || this.#discards.size > 0 || this.#holes.size > 0;
  }

  get dirtyBytes(): number {
    return this.#dataBytes + this.#inodes.size * INODE_BYTES + this.items.size * ITEM_BYTES;
  }

  get nodeBytes(): number {
    return this.#inodes.nodeBytes;
  }

  get accessedBytes(): number {
    return this.#accessed.size * ACCESSED_INODE_BYTES;
  }

  get inodeBytes(): number {
    return (this.#inodes.size + (this.#commit?.inodes.size ?? 0)) * CHANGED_INODE_BYTES;
  }

  /** Inodes that the next commit would write or remove. */
  get inodeCount(): number {
    return this.#inodes.size + this.#accessed.size + this.#discards.size;
  }

  get committingBytes(): number {
    return this.#commit?.bytes ?? 0;
  }

  /** Is there anything of this inode that the store doesn't have? */
  isPending(inode: Inode): boolean {
    if (this.#inodes.has(inode) || this.#accessed.has(inode)) return true;
    return this.#commit?.inodes.has(inode) === true;
  }

  inodeChanged(inode: Inode): void {
    if (inode.nlink === 0 && inode.refs === 0) return;
    if (!this.#inodes.has(inode)) {
      this.#accessed.delete(inode);
      this.#inodes.add(inode);
    }
    this.#owner.changed();
  }

  inodeAccessed(inode: Inode): void {
    if (inode.nlink === 0 && inode.refs === 0) return;
    if (this.#inodes.has(inode)) return;
    this.#accessed.add(inode);
    this.#owner.accessed();
  }

  /** The inode is to be synced, with its access time. */
  inodeSynced(inode: Inode): void {
    if (this.#accessed.has(inode)) this.inodeChanged(inode);
  }

  /** Neither a name nor a user is left. `inode` if it is in memory. */
  inodeDestroyed(ino: number, inode?: Inode): void {
    let mayHaveXattrs = true;
    if (inode !== undefined) {
      this.#inodes.delete(inode);
      this.#accessed.delete(inode);
      const hadChange = this.#xattrs.delete(inode);
      // Also if they were removed, and the store doesn't know of that, or may not get to.
      mayHaveXattrs = inode.hasXattrs || hadChange || this.#commit?.xattrs.has(inode) === true;
    }
    this.items.delete(inodeKey(ino));
    this.items.delete(orphanKey(ino));
    this.#orphans.delete(ino);
    this.#holes.delete(ino);
    this.dataCut(ino, 0);
    if (mayHaveXattrs) this.dataCut(xattrObject(ino), 0);
  }

  xattrsChanged(inode: Inode): void {
    this.#xattrs.add(inode);
    this.inodeChanged(inode);
  }

  /** What the store has of an object from `from` on is to go. */
  dataCut(ino: number, from: number): void {
    const at = Math.ceil(from / BLOCK_SIZE) * BLOCK_SIZE;
    this.#discards.set(ino, Math.min(at, this.#discards.get(ino) ?? Infinity));
    this.#owner.changed();
  }

  dataPunched(ino: number, from: number, to: number): void {
    const holes = this.#holes.get(ino) ?? [];
    const last = holes.at(-1);
    // A large hole is punched chunk by chunk.
    if (last?.to === from) holes[holes.length - 1] = { from: last.from, to };
    else holes.push({ from, to });
    this.#holes.set(ino, holes);
    this.#owner.changed();
  }

  /** Holes of an object of which the store may still have bytes. */
  holesOf(ino: number): readonly Hole[] {
    const committing = this.#commit?.holes.get(ino);
    const current = this.#holes.get(ino);
    if (committing === undefined) return current ?? NO_HOLES;
    return current === undefined ? committing : [...committing, ...current];
  }

  /** From here on the store may still have bytes of an object that are gone. */
  cutOf(ino: number): number {
    const committing = this.#commit?.discards.get(ino) ?? Infinity;
    return Math.min(committing, this.#discards.get(ino) ?? Infinity);
  }

  dataDirtied(data: CachedData, byBytes: number): void {
    if (byBytes > 0) this.#data.add(data);
    this.#dataBytes += byBytes;
  }

  /** The store's tree has become another one. Nothing is pending. */
  reset(): void {
    assert(!this.hasChanges && this.#commit === undefined, 'nothing is pending');
    this.#orphans.clear();
    this.#committedNextIno = 0;
  }

  // Commits.

  *commit(durability: Durability, { withAccessed }: { readonly withAccessed: boolean }): Op<void> {
    if (withAccessed) {
      // Meanwhile there may be more: those are for later.
      let portions = Math.floor(this.#accessed.nodeBytes / ACCESSED_NODE_BYTES_MAX);
      while (portions-- > 0) yield* this.#commitAccessed();
      for (const inode of this.#accessed.take(ACCESSED_NODE_BYTES_MAX)) this.#inodes.add(inode);
    }
    const { batch, commit } = this.#begin();
    try {
      yield* this.#store.commit(batch, { durability });
    } catch (error) {
      this.#fail(commit, error instanceof LinuxError ? error : linuxerr.EIO);
      throw error;
    }
    this.#succeed(commit);
  }

  *log(): Op<boolean> {
    if (this.dirtyBytes > LOG_BYTES_MAX) return false;
    this.items.putAll(this.#notedItems());
    const writes: Write[] = [...this.#xattrWrites()];
    for (const { data, chunk, mask } of this.#dirtyChunks()) {
      for (const { offset, bytes } of data.runsOf(chunk, mask)) {
        // The chunk's may change while they are written.
        writes.push({ object: data.ino, run: { offset, bytes: bytes.slice() } });
      }
    }
    const batch = { items: this.items.copy(), discards: this.#discarded(), writes };
    const inodes = [...this.#inodes];
    try {
      if (!(yield* this.#store.log(batch))) return false;
    } catch (error) {
      noteError(inodes, error);
      throw error;
    }
    this.#owner.logged();
    return true;
  }

  /** Some of those of which only the access time has changed. */
  *#commitAccessed(): Op<void> {
    const inodes = this.#accessed.take(ACCESSED_NODE_BYTES_MAX);
    const items = new Map([...inodes].map((inode) => [inodeKey(inode.ino), encodeInode(inode)]));
    const bytes = inodes.size * INODE_BYTES;
    this.#commit = { ...NOTHING_COMMITTED, inodes, nextIno: this.#committedNextIno, bytes };
    try {
      yield* this.#store.commit({ items, discards: [], writes: [] }, { durability: 'relaxed' });
    } catch (error) {
      noteError(inodes, error);
      this.#commit = undefined;
      for (const inode of inodes) this.inodeAccessed(inode);
      throw error;
    }
    this.#commit = undefined;
    this.#owner.committed(inodes, { hasRemoved: false });
  }

  #begin(): { batch: Batch; commit: Commit } {
    const bytes = this.dirtyBytes;
    const nextIno = this.#owner.nextIno();
    const noted = this.#notedItems();
    const chunks = [...this.#dirtyChunks()];
    const writes: Write[] = [];
    for (const { data, chunk, mask } of chunks) {
      for (const run of data.runsOf(chunk, mask)) writes.push({ object: data.ino, run });
      chunk.dirty = chunk.dirtyBytes = 0;
      chunk.committing = mask;
      chunk.isShared = true;
    }
    const commit = {
      inodes: this.#inodes,
      chunks,
      discards: this.#discards,
      holes: this.#holes,
      xattrs: this.#xattrs,
      nextIno,
      bytes,
    };
    writes.push(...this.#xattrWrites());
    const discards = this.#discarded();
    this.#commit = commit;
    this.#inodes = new ChangedInodes();
    this.#data = new Set();
    this.#discards = new Map();
    this.#holes = new Map();
    this.#xattrs = new Set();
    this.#dataBytes = 0;
    return { batch: { items: this.items.beginCommit(noted), discards, writes }, commit };
  }

  *#dirtyChunks(): Generator<DirtyChunk> {
    for (const data of this.#data) {
      for (const chunk of data.chunks.values()) {
        if (chunk.dirty !== 0) yield { data, chunk, mask: chunk.dirty };
      }
    }
  }

  /** Items of what was only noted so far: each of them once. */
  #notedItems(): ItemChange[] {
    const items: ItemChange[] = [];
    const nextIno = this.#owner.nextIno();
    if (nextIno !== this.#committedNextIno) items.push([filesystemKey, encodeFilesystem(nextIno)]);
    for (const inode of this.#inodes) {
      items.push([inodeKey(inode.ino), encodeInode(inode)]);
      if (inode.nlink === 0) {
        this.#orphans.add(inode.ino);
        items.push([orphanKey(inode.ino), new Uint8Array(0)]);
      } else if (this.#orphans.delete(inode.ino)) {
        // One made without a name has got one.
        items.push([orphanKey(inode.ino), undefined]);
      }
    }
    for (const [key, value] of this.#owner.notes()) items.push([noteKey(key), value]);
    return items;
  }

  #discarded(): { object: number; from: number; to: number }[] {
    const discards = [...this.#discards].map(([object, from]) => ({ object, from, to: Infinity }));
    for (const [object, holes] of this.#holes) {
      for (const hole of holes) discards.push({ object, ...hole });
    }
    for (const { ino } of this.#xattrs) {
      discards.push({ object: xattrObject(ino), from: 0, to: Infinity });
    }
    return discards;
  }

  *#xattrWrites(): Generator<Write> {
    for (const { ino, xattrs } of this.#xattrs) {
      const object = xattrObject(ino);
      for (const run of encodeXattrs(assertDefined(xattrs))) yield { object, run };
    }
  }

  #succeed(commit: Commit): void {
    this.#commit = undefined;
    this.items.endCommit({ succeeded: true });
    this.#committedNextIno = commit.nextIno;
    for (const { data, chunk } of commit.chunks) {
      endCommit(chunk);
      // A chunk that was dropped meanwhile is on the way out of the store too.
      if (data.chunks.get(chunk.index) !== chunk) continue;
      data.storedChunks = Math.max(data.storedChunks, chunk.index + 1);
      data.generation++;
    }
    const hasRemoved = commit.discards.size > 0 || commit.holes.size > 0;
    this.#owner.committed(commit.inodes, { hasRemoved });
  }

  #fail(commit: Commit, error: LinuxError): void {
    noteError(commit.inodes, error);
    this.#commit = undefined;
    this.items.endCommit({ succeeded: false });
    for (const inode of commit.inodes) {
      if (inode.nlink > 0 || inode.refs > 0) this.#inodes.add(inode);
    }
    for (const { data, chunk, mask } of commit.chunks) {
      endCommit(chunk);
      if (data.chunks.get(chunk.index) !== chunk) continue;
      chunk.dirty |= mask & chunk.written;
      data.onDirtied(chunk);
    }
    for (const [object, from] of commit.discards) {
      this.#discards.set(object, Math.min(from, this.#discards.get(object) ?? Infinity));
    }
    for (const [object, holes] of commit.holes) {
      this.#holes.set(object, [...holes, ...(this.#holes.get(object) ?? [])]);
    }
    for (const inode of commit.xattrs) {
      if (inode.nlink > 0 || inode.refs > 0) this.#xattrs.add(inode);
    }
  }
}

/** Whoever has one of them open is told when he syncs it next. */
function noteError(inodes: Iterable<Inode>, reason: unknown): void {
  const error = reason instanceof LinuxError ? reason : linuxerr.EIO;
  for (const inode of inodes) (inode.writeErrors ??= new ErrorSequence()).add(error);
}

/**
 * Before a commit the bytes are the chunk's alone. A medium that follows another may go on using
 * those that lie together with others: they are not copied.
 */
function endCommit(chunk: Chunk): void {
  chunk.committing = 0;
  chunk.isShared = isPartOfMore(chunk.bytes);
}
