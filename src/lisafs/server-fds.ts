// The FDs of one client: its ids, what they stand for, and how long that stays.
// Mirrors gVisor pkg/lisafs/fd.go, connection.go.
//
// An FD is there until the client has closed it and no request uses it any more. Ids never come
// again.

import { linuxerr } from '../abi/errno.ts';
import { O_ACCMODE, O_RDONLY, O_WRONLY } from '../abi/fcntl.ts';
import { S_IFDIR, S_IFLNK } from '../abi/stat.ts';
import { assert } from '../lib/assert.ts';
import { Mutex, type Op } from '../lib/op.ts';
import type { RwLock } from '../lib/rw-lock.ts';
import { Closings } from '../served/closings.ts';
import { birthOf, type FileIndex, fileKeyOf } from '../served/file-index.ts';
import type { Holder, Node } from '../served/node.ts';
import { PromisedFD } from './promised-fd.ts';
import { CLIENT_FD_MIN, INVALID_FD } from './records.ts';
import type { OpenedFile, PinnedFile, ServedFile } from '../served/served-file.ts';

/** A directory that is being listed by its control FD, piece by piece. One request at a time. */
class Listing {
  readonly mu = new Mutex();
  opened: OpenedFile | undefined;
}

export class ControlFD implements Holder {
  readonly id: number;
  readonly node: Node;
  readonly file: ServedFile;
  /** The same for all FDs of the file. */
  readonly fileKey: string;
  /** Tells it from an earlier file of that key; empty if it isn't known. */
  readonly birth: string;
  readonly fileMu: RwLock | undefined;
  /** The client's. */
  readonly fds: Fds;
  /** The client, requests, and open FDs. */
  refs = 1;
  readonly listing = new Listing();
  /** What ends when the client closes it. */
  readonly onClose = new Set<() => void>();

  constructor(id: number, node: Node, { file, statx }: PinnedFile, fds: Fds) {
    this.id = id;
    this.node = node;
    this.file = file;
    this.fileKey = fileKeyOf(statx);
    this.birth = birthOf(statx);
    this.fds = fds;
    this.fileMu = this.isDirectory ? undefined : fds.files.locks.hold(this.fileKey);
  }

  get client(): object {
    return this.fds;
  }

  changed(flags: number, name: string): void {
    this.fds.invalidate(this, flags, name);
  }

  get isDirectory(): boolean {
    return this.file.type === S_IFDIR;
  }

  get isSymlink(): boolean {
    return this.file.type === S_IFLNK;
  }
}

export class OpenFD {
  readonly id: number;
  readonly control: ControlFD;
  readonly opened: OpenedFile;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  /** Of a directory: where Getdents64 goes on. */
  cookie = 0;
  readonly listMu = new Mutex();
  refs = 1;
  /** What ends when nobody uses it any more. */
  readonly onRelease = new Map<string, () => void>();

  constructor(id: number, control: ControlFD, opened: OpenedFile, flags: number) {
    this.id = id;
    this.control = control;
    this.opened = opened;
    this.isReadable = (flags & O_ACCMODE) !== O_WRONLY;
    this.isWritable = (flags & O_ACCMODE) !== O_RDONLY;
  }
}

type FD = ControlFD | OpenFD;

/** Who pays for FDs with what is scarce. The client is the one that the root was pinned for. */
export interface FdReserve {
  /** Takes up to so many for later. Returns how many. */
  take(client: object, count: number): number;
  give(client: object, count: number): void;
}

export interface FdsOptions {
  /** Most FDs at a time. */
  readonly max: number;
  /** Undefined: FDs take nothing but their places here. */
  readonly reserve: FdReserve | undefined;
  /** Whatever anybody holds. */
  readonly files: FileIndex;
  /** Another client has changed something: INVALIDATE_ flags. */
  readonly onInvalidate: (fd: ControlFD, flags: number, name: string) => void;
  /** The client has closed a control FD. */
  readonly onClose: (fd: ControlFD) => void;
  /** A file of the host's that could not be closed: nobody waits for that. */
  readonly onCloseError: (error: unknown) => void;
}

export class Fds {
  readonly #options: FdsOptions;
  readonly #byId = new Map<number, FD | PromisedFD>();
  /** Those that somebody waits for, or that are still to be made. */
  readonly #promised = new Map<number, PromisedFD>();
  #lastId = INVALID_FD;
  #lastClientId = INVALID_FD;
  /** Places for FDs that requests are about to make. */
  #reserved = 0;
  /** Kept for ids that the client is going to choose. */
  #keptCount = 0;
  /** Ids that the client has chosen since it came. */
  #chosenTotal = 0;
  /** Files of the host's that are being closed. */
  readonly #closings: Closings;

  constructor(options: FdsOptions) {
    this.#options = options;
    this.#closings = new Closings(options.onCloseError);
  }

  get count(): number {
    return this.#byId.size;
  }

  get files(): FileIndex {
    return this.#options.files;
  }

  /**
   * An id the client has chosen is going to be an FD: requests that name it wait for that. Returns
   * what withdraws the promise, if nothing came of it.
   *
   * Errors: EINVAL if it isn't the client's to choose, or not larger than all before; EMFILE.
   */
  promise(id: number, promised: PromisedFD): () => void {
    if (id <= this.#lastClientId) throw linuxerr.EINVAL;
    this.#chosenTotal++;
    const isKept = this.#keptCount > 0;
    // Its place is free as long as this takes.
    if (isKept) this.#keptCount--;
    try {
      const withdraw = this.promiseKept(id, promised);
      if (isKept) promised.keptCount++;
      return withdraw;
    } catch (error) {
      if (isKept) this.giveKept(1);
      throw error;
    }
  }

  /**
   * Sees to it that there is room for ids that the client is going to choose, so that making them
   * doesn't fail with EMFILE: for `total` since it came, or as many as there is room for. Returns
   * for how many. Fewer than before gives back the rest.
   */
  keepUpTo(total: number): number {
    const wanted = Math.max(0, total - this.#chosenTotal);
    const more = wanted - this.#keptCount;
    if (more < 0) this.giveKept(-more);
    const room = this.#options.max - this.#byId.size - this.#reserved - this.#keptCount;
    const asked = Math.max(0, Math.min(more, room));
    const { reserve } = this.#options;
    this.#keptCount += more < 0 ? more : (reserve?.take(this, asked) ?? asked);
    return this.#chosenTotal + this.#keptCount;
  }

  /** What was kept for so many is to be used now, or isn't needed. */
  giveKept(count: number): void {
    if (count > 0) this.#options.reserve?.give(this, count);
  }

  /**
   * The same for one that the client had in a session that was lost: in any order.
   * Errors: EINVAL if it isn't the client's to choose, or in use; EMFILE.
   */
  promiseKept(id: number, promised: PromisedFD): () => void {
    if (id < CLIENT_FD_MIN || this.#byId.has(id) || this.#promised.has(id)) throw linuxerr.EINVAL;
    this.checkRoom(1);
    this.#lastClientId = Math.max(this.#lastClientId, id);
    promised.add(id);
    this.#byId.set(id, promised);
    this.#promised.set(id, promised);
    return () => {
      if (this.#byId.get(id) !== promised) return;
      this.#byId.delete(id);
      promised.settle(id);
      this.#forget(promised);
    };
  }

  #forget(promised: PromisedFD): void {
    if (!promised.isOver) return;
    for (const id of promised.ids) this.#promised.delete(id);
  }

  /** Errors: EMFILE if there is no room for so many more. */
  checkRoom(count: number): void {
    const taken = this.#byId.size + this.#reserved + this.#keptCount;
    if (taken + count > this.#options.max) throw linuxerr.EMFILE;
  }

  /** Errors: EMFILE. What is reserved is to be given back with unreserve(). */
  reserve(count: number): void {
    if (count > 0) this.checkRoom(count);
    this.#reserved += count;
  }

  unreserve(count: number): void {
    this.#reserved -= count;
  }

  /**
   * A new control FD, which takes over the caller's hold of the node. `id` is one that was
   * promised, or INVALID_FD for a new one.
   */
  addControl(node: Node, pinned: PinnedFile, id = INVALID_FD): ControlFD {
    const fd = new ControlFD(this.#idFor(id), node, pinned, this);
    node.holders.add(fd);
    this.#options.files.add(fd);
    this.#insert(fd);
    return fd;
  }

  addOpen(control: ControlFD, opened: OpenedFile, flags: number, id = INVALID_FD): OpenFD {
    control.refs++;
    const fd = new OpenFD(this.#idFor(id), control, opened, flags);
    this.#insert(fd);
    return fd;
  }

  #idFor(id: number): number {
    if (id !== INVALID_FD) return id;
    this.#lastId++;
    assert(this.#lastId < CLIENT_FD_MIN, 'there are no more ids');
    return this.#lastId;
  }

  #insert(fd: FD): void {
    const promised = this.#byId.get(fd.id);
    assert(promised === undefined || promised instanceof PromisedFD, 'an id is in use');
    this.#byId.set(fd.id, fd);
    promised?.settle(fd.id);
    if (promised !== undefined) this.#forget(promised);
  }

  /** For a request, which releases it. Errors: EBADF; EINVAL for an open FD. */
  *control(id: number): Op<ControlFD> {
    const fd = yield* this.#get(id);
    if (!(fd instanceof ControlFD)) throw linuxerr.EINVAL;
    fd.refs++;
    return fd;
  }

  /** For a request, which releases it. Errors: EBADF; EINVAL for a control FD. */
  *open(id: number): Op<OpenFD> {
    const fd = yield* this.#get(id);
    if (!(fd instanceof OpenFD)) throw linuxerr.EINVAL;
    fd.refs++;
    return fd;
  }

  /** For a request, which releases it. Errors: EBADF. */
  *any(id: number): Op<FD> {
    const fd = yield* this.#get(id);
    fd.refs++;
    return fd;
  }

  *#get(id: number): Op<FD> {
    const promised = this.#promised.get(id);
    if (promised !== undefined) {
      try {
        yield* promised.wait();
      } finally {
        this.#forget(promised);
      }
    }
    const fd = this.#byId.get(id);
    if (fd === undefined || fd instanceof PromisedFD) throw linuxerr.EBADF;
    return fd;
  }

  /** Must a request wait for it? */
  isAwaited(id: number): boolean {
    return this.#promised.has(id);
  }

  /** Does the client have it? */
  has(id: number): boolean {
    return this.#byId.has(id);
  }

  /** Another client has changed the file of one of these. */
  invalidate(fd: ControlFD, flags: number, name: string): void {
    this.#options.onInvalidate(fd, flags, name);
  }

  /** The client needs it no more. Nothing to do if it isn't there. */
  close(id: number): void {
    const fd = this.#byId.get(id);
    if (fd === undefined || fd instanceof PromisedFD) return;
    this.#byId.delete(id);
    if (fd instanceof ControlFD) this.#leave(fd);
    this.release(fd);
  }

  /** What becomes of the file is none of the client's business from here on. */
  #leave(fd: ControlFD): void {
    this.#options.files.delete(fd);
    for (const end of [...fd.onClose]) end();
    this.#options.onClose(fd);
  }

  /** Those that are promised will be there when they are made. */
  closeAll(): void {
    for (const id of [...this.#byId.keys()]) this.close(id);
    this.giveKept(this.#keptCount);
    this.#keptCount = 0;
  }

  release(fd: FD): void {
    assert(fd.refs > 0, 'an FD is released that nobody holds');
    fd.refs--;
    if (fd.refs > 0) return;
    if (fd instanceof OpenFD) {
      for (const end of fd.onRelease.values()) end();
      this.closeLater(fd.opened.close());
      this.release(fd.control);
      return;
    }
    if (fd.listing.opened !== undefined) this.closeLater(fd.listing.opened.close());
    if (fd.fileMu !== undefined) this.files.locks.letGo(fd.fileKey);
    fd.node.holders.delete(fd);
    fd.node.release();
    this.closeLater(fd.file.close());
  }

  /** Nobody waits for it. */
  closeLater(close: Op<void>): void {
    this.#closings.begin(close);
  }

  /** Closings.untilClosed(). */
  untilClosed(): Op<void> {
    return this.#closings.untilClosed();
  }
}
