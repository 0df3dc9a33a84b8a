// The fids of one client: numbers that it has chosen, and the files behind them.
// Mirrors gVisor pkg/p9/server.go (fidRef).
//
// A file is held by all fids that were walked to it from one another, and closed with the last.
// A fid is there until it is clunked and no request uses it any more.

import { linuxerr } from '../abi/errno.ts';
import { S_IFDIR } from '../abi/stat.ts';
import { assert } from '../lib/assert.ts';
import type { Op } from '../lib/op.ts';
import type { RwLock } from '../lib/rw-lock.ts';
import type { LockOwnerId } from '../locks/lock-table.ts';
import { Closings } from '../served/closings.ts';
import { birthOf, type FileIndex, fileKeyOf } from '../served/file-index.ts';
import type { Holder, Node } from '../served/node.ts';
import type { OpenedFile, PinnedFile, ServedFile } from '../served/served-file.ts';
import { NOFID } from './records.ts';

/** The file of some fids. */
export class HeldFile implements Holder {
  readonly node: Node;
  readonly file: ServedFile;
  readonly fileKey: string;
  readonly birth: string;
  readonly fileMu: RwLock | undefined;
  readonly client: Fids;
  #refs = 1;

  /** Takes over the caller's hold of the node, and the file. */
  constructor(client: Fids, node: Node, { file, statx }: PinnedFile) {
    this.client = client;
    this.node = node;
    this.file = file;
    this.fileKey = fileKeyOf(statx);
    this.birth = birthOf(statx);
    this.fileMu = this.isDirectory ? undefined : client.files.locks.hold(this.fileKey);
    node.holders.add(this);
    client.files.add(this);
  }

  get isDirectory(): boolean {
    return this.file.type === S_IFDIR;
  }

  /** 9P has no message for it. */
  changed(): void {
    return;
  }

  retain(): this {
    this.#refs++;
    return this;
  }

  release(): void {
    assert(this.#refs > 0, 'a file is released that nobody holds');
    this.#refs--;
    if (this.#refs > 0) return;
    this.client.files.delete(this);
    if (this.fileMu !== undefined) this.client.files.locks.letGo(this.fileKey);
    this.node.holders.delete(this);
    this.node.release();
    this.client.closeLater(this.file.close());
  }
}

/** A file or a directory that is open. */
export interface OpenUse {
  readonly kind: 'open';
  readonly opened: OpenedFile;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  /** Writes go to the end, whatever their offset. */
  readonly isAppending: boolean;
  /** Each write is on the disk when it is answered. */
  readonly isSync: boolean;
}

/** The value of an extended attribute, or the names of all. */
export interface XattrUse {
  readonly kind: 'xattr';
  readonly bytes: Uint8Array;
}

/** One that is being written, and set when the fid is clunked. */
export interface NewXattrUse {
  readonly kind: 'new xattr';
  readonly name: string;
  /** XATTR_ of setxattr(2). */
  readonly flags: number;
  readonly bytes: Uint8Array;
  /** So many bytes have come, from the first on. */
  receivedSize: number;
}

export interface FidOptions {
  readonly number: number;
  /** The fid's from here on. */
  readonly held: HeldFile;
  /** Whom new files belong to. */
  readonly uid: number;
  readonly use?: OpenUse | XattrUse | NewXattrUse;
}

export class Fid {
  readonly number: number;
  readonly held: HeldFile;
  readonly uid: number;
  /** Undefined: the file is only pointed at. */
  use: OpenUse | XattrUse | NewXattrUse | undefined;
  /** The client, and requests. */
  refs = 1;
  /** Who has locked anything by it; gives that up. */
  readonly onRelease = new Map<LockOwnerId, () => void>();

  constructor({ number, held, uid, use }: FidOptions) {
    this.number = number;
    this.held = held;
    this.uid = uid;
    this.use = use;
  }
}

export interface FidsOptions {
  /** Most fids at a time. */
  readonly max: number;
  /** Most bytes of extended attributes that fids hold. */
  readonly xattrBytesMax: number;
  readonly files: FileIndex;
  /** A file of the host's that could not be closed: nobody waits for that. */
  readonly onCloseError: (error: unknown) => void;
}

export class Fids {
  readonly #options: FidsOptions;
  readonly #byNumber = new Map<number, Fid>();
  #xattrBytes = 0;
  /** Files of the host's that are being closed. */
  readonly #closings: Closings;

  constructor(options: FidsOptions) {
    this.#options = options;
    this.#closings = new Closings(options.onCloseError);
  }

  get count(): number {
    return this.#byNumber.size;
  }

  get files(): FileIndex {
    return this.#options.files;
  }

  /** For a request, which releases it. Errors: EBADF. */
  use(number: number): Fid {
    const fid = this.#byNumber.get(number);
    if (fid === undefined) throw linuxerr.EBADF;
    fid.refs++;
    return fid;
  }

  /** Errors: EINVAL if it is in use, or none; EMFILE. */
  checkNew(number: number): void {
    if (number === NOFID || this.#byNumber.has(number)) throw linuxerr.EINVAL;
    if (this.#byNumber.size >= this.#options.max) throw linuxerr.EMFILE;
  }

  /** If it fails, the file is released. Errors: checkNew()'s. */
  add(options: FidOptions): void {
    try {
      this.checkNew(options.number);
    } catch (error) {
      options.held.release();
      throw error;
    }
    this.#byNumber.set(options.number, new Fid(options));
  }

  /** The number is another file's from here on. */
  replace(options: FidOptions): void {
    this.clunk(options.number);
    this.#byNumber.set(options.number, new Fid(options));
  }

  /** Bytes for an extended attribute, to be given back with the fid. Errors: ENOMEM. */
  takeXattrBytes(size: number): void {
    if (this.#xattrBytes + size > this.#options.xattrBytesMax) throw linuxerr.ENOMEM;
    this.#xattrBytes += size;
  }

  giveXattrBytes(size: number): void {
    this.#xattrBytes -= size;
  }

  /** The client needs it no more. */
  clunk(number: number): void {
    const fid = this.#byNumber.get(number);
    if (fid === undefined) return;
    this.#byNumber.delete(number);
    this.release(fid);
  }

  closeAll(): void {
    for (const number of [...this.#byNumber.keys()]) this.clunk(number);
  }

  release(fid: Fid): void {
    assert(fid.refs > 0, 'a fid is released that nobody holds');
    fid.refs--;
    if (fid.refs > 0) return;
    for (const giveUp of fid.onRelease.values()) giveUp();
    const { use } = fid;
    if (use?.kind === 'open') this.closeLater(use.opened.close());
    else if (use !== undefined) this.giveXattrBytes(use.bytes.length);
    fid.held.release();
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
