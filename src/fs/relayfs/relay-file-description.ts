// RelayFileDescription: an open file that another tab has open for this one. The offset is here,
// so that the next holder has only to open the file again.

import { linuxerr } from '../../abi/errno.ts';
import {
  F_UNLCK,
  LOCK_UN,
  O_APPEND,
  O_DSYNC,
  O_SYNC,
  SEEK_CUR,
  SEEK_SET,
} from '../../abi/fcntl.ts';
import { FILE_SIZE_MAX, RW_COUNT_MAX } from '../../abi/limits.ts';
import type { Stat } from '../../abi/stat.ts';
import type { Credentials } from '../../auth/credentials.ts';
import { Mutex, type Op, type Wait, WaitQueue } from '../../lib/op.ts';
import type { VirtualDentry } from '../../vfs/dentry.ts';
import type { DirectoryEntrySink } from '../../vfs/directory-entry.ts';
import { FileDescription } from '../../vfs/file-description.ts';
import type { SpliceTarget } from '../../vfs/splice-target.ts';
import {
  type LockConflict,
  type LockOwner,
  type RangeLock,
  type RangeRequest,
  replaceRange,
} from '../../locks/file-locks.ts';
import type { SetStat, SetXattr } from '../../vfs/options.ts';
import {
  type CallArguments,
  type CallName,
  type CallResult,
  DATA_SIZE_MAX,
  ENTRIES_MAX,
  type WireFile,
  type WireLockOwner,
} from './messages.ts';
import type { RelayDentry } from './relay-dentry.ts';
import type { Relayfs } from './relayfs.ts';
import { wireCredentials } from './relayed-path.ts';

type FileCall = {
  [Name in CallName]: CallArguments<Name> extends readonly [number, ...unknown[]] ? Name : never;
}[CallName];
type RestOf<Args extends readonly unknown[]> = Args extends readonly [unknown, ...infer Rest]
  ? Rest
  : never;

export class RelayFileDescription extends FileDescription {
  /** What it was opened as. */
  readonly wire: Omit<WireFile, 'ino' | 'path'>;
  /** It could not be had again when the holder changed. */
  isLost = false;
  /** LOCK_SH, LOCK_EX, or 0. */
  flockOperation = 0;
  /** Locks set through this description, by their owner's number. */
  readonly ranges = new Map<
    number,
    { readonly owner: WireLockOwner; readonly ranges: readonly RangeLock[] }
  >();
  readonly #fs: Relayfs;
  readonly #offsetMutex = new Mutex();
  readonly #readinessChanged = new WaitQueue();
  #readiness: number;
  #offset = 0;

  constructor(
    fs: Relayfs,
    options: {
      readonly vd: VirtualDentry;
      readonly wire: Omit<WireFile, 'ino' | 'path'>;
      readonly readiness: number;
    },
  ) {
    const { vd, wire, readiness } = options;
    super(vd, wire.flags, { isSpecial: wire.kind === 'device' || wire.kind === 'stream' });
    this.#fs = fs;
    this.wire = wire;
    this.#readiness = readiness;
  }

  get id(): number {
    return this.wire.file;
  }

  get ino(): number {
    return (this.vd.dentry as RelayDentry).ino;
  }

  override get isSeekable(): boolean {
    return this.wire.kind !== 'stream';
  }

  /** Errors: EIO once it is lost; those of the call. */
  #call<Name extends FileCall>(
    name: Name,
    ...rest: RestOf<CallArguments<Name>>
  ): Op<CallResult<Name>> {
    if (this.isLost) throw linuxerr.EIO;
    const args = [this.id, ...rest] as unknown as CallArguments<Name>;
    return this.#fs.client.call(name, ...args);
  }

  lose(): void {
    this.isLost = true;
    this.ranges.clear();
    this.flockOperation = 0;
    this.#readinessChanged.wakeAll();
  }

  // Reading.

  protected override readImpl(buffer: Uint8Array): Op<number> {
    return this.#read(buffer, false);
  }

  protected override preadImpl(buffer: Uint8Array, offset: number): Op<number> {
    return this.#readAt(buffer, offset, false);
  }

  override readQuietly(buffer: Uint8Array, offset: number | undefined): Op<number> {
    return offset === undefined ? this.#read(buffer, true) : this.#readAt(buffer, offset, true);
  }

  *#read(buffer: Uint8Array, isQuiet: boolean): Op<number> {
    if (this.wire.kind === 'stream') {
      const bytes = yield* this.#call('readStream', buffer.length, isQuiet);
      buffer.set(bytes);
      return bytes.length;
    }
    yield* this.#offsetMutex.lock();
    try {
      const count = yield* this.#readAt(buffer, this.#offset, isQuiet);
      if (this.wire.kind === 'regular') this.#offset += count;
      return count;
    } finally {
      this.#offsetMutex.unlock();
    }
  }

  *#readAt(buffer: Uint8Array, offset: number, isQuiet: boolean): Op<number> {
    const wanted = Math.min(buffer.length, RW_COUNT_MAX);
    let done = 0;
    do {
      const length = Math.min(wanted - done, DATA_SIZE_MAX);
      const isSilent = isQuiet || done > 0;
      const bytes = yield* this.#call('pread', length, offset + done, isSilent);
      buffer.set(bytes, done);
      done += bytes.length;
      if (bytes.length < length) break;
    } while (done < wanted);
    return done;
  }

  // Writing.

  protected override writeImpl(bytes: Uint8Array): Op<number> {
    return this.#write(bytes, false);
  }

  protected override pwriteImpl(bytes: Uint8Array, offset: number): Op<number> {
    return this.#writeAt(bytes, offset, false);
  }

  override writeQuietly(bytes: Uint8Array, offset: number | undefined): Op<number> {
    return offset === undefined ? this.#write(bytes, true) : this.#writeAt(bytes, offset, true);
  }

  override get spliceTarget(): SpliceTarget | undefined {
    if (this.wire.kind !== 'stream') return undefined;
    return {
      waitForRoom: () => this.#call('waitForRoom'),
      // A copy: of a view all that lies behind it would be sent.
      splice: (bytes, offset) => this.#call('splice', bytes.slice(), offset),
    };
  }

  *#write(bytes: Uint8Array, isQuiet: boolean): Op<number> {
    if (this.wire.kind === 'stream') {
      return yield* this.#inPieces(bytes, (piece, _done, isSilent) =>
        this.#call('writeStream', piece, isQuiet || isSilent),
      );
    }
    yield* this.#offsetMutex.lock();
    try {
      if ((this.statusFlags & O_APPEND) !== 0) return yield* this.#append(bytes, isQuiet);
      const count = yield* this.#writeAt(bytes, this.#offset, isQuiet);
      if (this.wire.kind === 'regular') this.#offset += count;
      return count;
    } finally {
      this.#offsetMutex.unlock();
    }
  }

  *#append(bytes: Uint8Array, isQuiet: boolean): Op<number> {
    const append = function* (
      this: RelayFileDescription,
      piece: Uint8Array,
      _done: number,
      isSilent: boolean,
    ): Op<number> {
      const { count, end } = yield* this.#call('append', piece, isQuiet || isSilent);
      this.#offset = end;
      return count;
    }.bind(this);
    const count = yield* this.#inPieces(bytes, append);
    yield* this.#syncIfAsked(count);
    return count;
  }

  *#writeAt(bytes: Uint8Array, offset: number, isQuiet: boolean): Op<number> {
    const count = yield* this.#inPieces(bytes, (piece, done, isSilent) =>
      this.#call('pwrite', piece, offset + done, isQuiet || isSilent),
    );
    yield* this.#syncIfAsked(count);
    return count;
  }

  /** What was written before an error counts. Each piece is made whole or not at all. */
  *#inPieces(
    bytes: Uint8Array,
    write: (piece: Uint8Array, done: number, isSilent: boolean) => Op<number>,
  ): Op<number> {
    const wanted = Math.min(bytes.length, RW_COUNT_MAX);
    let done = 0;
    try {
      do {
        // A copy: it may have to be sent again when the program's memory has changed.
        const piece = bytes.slice(done, Math.min(done + DATA_SIZE_MAX, wanted));
        const count = yield* write(piece, done, done > 0);
        done += count;
        if (count < piece.length) break;
      } while (done < wanted);
    } catch (error) {
      if (done === 0) throw error;
    }
    return done;
  }

  *#syncIfAsked(count: number): Op<void> {
    if (count === 0 || (this.statusFlags & O_DSYNC) === 0) return;
    yield* this.#call('fsync', (this.statusFlags & O_SYNC) !== O_SYNC);
  }

  // Positions.

  protected override *seekImpl(offset: number, whence: number): Op<number> {
    const { kind } = this.wire;
    if (kind === 'stream') throw linuxerr.ESPIPE;
    if (kind === 'device') return 0;
    yield* this.#offsetMutex.lock();
    try {
      const target = yield* this.#seekTarget(offset, whence);
      if (target < 0 || target > FILE_SIZE_MAX) throw linuxerr.EINVAL;
      this.#offset = target;
      return target;
    } finally {
      this.#offsetMutex.unlock();
    }
  }

  *#seekTarget(offset: number, whence: number): Op<number> {
    if (whence === SEEK_SET) return offset;
    if (whence === SEEK_CUR) return this.#offset + offset;
    return yield* this.#call('seek', offset, whence);
  }

  protected override *iterDirentsImpl(sink: DirectoryEntrySink): Op<void> {
    if (this.wire.kind !== 'directory') throw linuxerr.ENOTDIR;
    yield* this.#offsetMutex.lock();
    try {
      for (;;) {
        const entries = yield* this.#call('list', this.#offset, ENTRIES_MAX);
        for (const entry of entries) {
          if (!sink(entry)) return;
          this.#offset = entry.cookie;
        }
        if (entries.length < ENTRIES_MAX) return;
      }
    } finally {
      this.#offsetMutex.unlock();
    }
  }

  override *readableBytes(): Op<number> {
    const { kind } = this.wire;
    if (kind === 'regular') return (yield* this.stat()).size - this.#offset;
    return yield* this.#call('readableBytes');
  }

  // Attributes.

  override *stat(): Op<Stat> {
    return this.#fs.statHere(yield* this.#call('fstat'));
  }

  protected override *setStatImpl(change: SetStat, creds: Credentials): Op<number> {
    yield* this.#call('fsetStat', change, wireCredentials(creds));
    // The holder has told of it.
    return 0;
  }

  protected override *allocateImpl(mode: number, offset: number, length: number): Op<void> {
    yield* this.#call('allocate', mode, offset, length);
  }

  protected override *syncImpl({ dataOnly }: { readonly dataOnly: boolean }): Op<void> {
    yield* this.#call('fsync', dataOnly);
  }

  protected override getXattrImpl(name: string, creds: Credentials): Op<Uint8Array> {
    return this.#call('fgetXattr', name, wireCredentials(creds));
  }

  protected override *setXattrImpl(change: SetXattr, creds: Credentials): Op<void> {
    const { name, value, flags } = change;
    const copy = { name, value: value.slice(), flags };
    yield* this.#call('fsetXattr', copy, wireCredentials(creds));
  }

  protected override listXattrImpl(creds: Credentials): Op<string[]> {
    return this.#call('flistXattr', wireCredentials(creds));
  }

  protected override *removeXattrImpl(name: string, creds: Credentials): Op<void> {
    yield* this.#call('fremoveXattr', name, wireCredentials(creds));
  }

  override *setStatusFlags(flags: number, creds: Credentials): Op<void> {
    yield* super.setStatusFlags(flags, creds);
    yield* this.#call('setFlags', this.statusFlags & ~O_SYNC);
  }

  // Locks.

  override *flock(operation: number, options: { readonly mustNotWait: boolean }): Op<void> {
    this.checkNotPathOnly();
    const isUsable = this.isReadable || this.isWritable || operation === LOCK_UN;
    if (!isUsable) throw linuxerr.EBADF;
    // What it had goes first: FileLocks.flock().
    if (this.flockOperation !== operation) this.flockOperation = 0;
    yield* this.#call('flock', operation, options.mustNotWait);
    this.flockOperation = operation === LOCK_UN ? 0 : operation;
  }

  override *setRangeLock(
    owner: LockOwner,
    request: RangeRequest,
    { mayWait }: { readonly mayWait: boolean },
  ): Op<void> {
    this.checkRangeLock(request);
    if (request.start >= request.end) return;
    const wireOwner = this.#fs.ownerOf(owner, this);
    if (request.type === F_UNLCK && !this.#fs.hasLocks(this.ino, wireOwner.id)) return;
    yield* this.#call('setLock', wireOwner, request, mayWait);
    this.#fs.noteLock(this, wireOwner, request, replaceRange);
  }

  override *findRangeLock(owner: LockOwner, request: RangeRequest): Op<LockConflict | undefined> {
    this.checkNotPathOnly();
    const found = yield* this.#call('getLock', this.#fs.ownerOf(owner, this), request);
    if (found === undefined) return undefined;
    const { type, start, end, pid } = found;
    return { type, start, end, owner: { lockPid: pid } };
  }

  override releaseRangeLocks(owner: LockOwner): void {
    const { id } = this.#fs.ownerOf(owner, this);
    if (!this.#fs.hasLocks(this.ino, id)) return;
    this.#fs.forgetLocks(this.ino, id);
    this.#fs.client.post('releaseLocks', this.id, id);
  }

  // What the holder tells, and is told.

  /** The holder's description tells watches of what is done. */
  override notify(): void {
    // Nothing is left to be told.
  }

  override notifyCopied(events: number): void {
    this.#fs.client.post('notify', this.id, events);
  }

  override *told(): Op<void> {
    // Others may poll a stream, which closing makes ready.
    const isHeard = this.#fs.hasWatches || this.wire.kind === 'stream';
    if (isHeard) yield* this.#fs.client.call('told');
  }

  override accessed(): void {
    this.#fs.client.post('accessed', this.id);
  }

  readinessIs(bits: number): void {
    this.#readiness = bits;
    this.#readinessChanged.wakeAll();
  }

  override readiness(events: number): number {
    if (this.wire.kind !== 'stream') return super.readiness(events);
    return this.#readiness & events;
  }

  override get readinessChanged(): Wait {
    return this.wire.kind === 'stream' ? this.#readinessChanged : super.readinessChanged;
  }

  protected override releaseImpl(): void {
    this.#fs.fileClosed(this.id);
  }
}
