// GoferData: files' data between memory and the server. What is read is kept, and read ahead, as in
// any filesystem with a store; what is written is kept and sent some time later (exclusive) or at
// once (writethrough). Mirrors gVisor pkg/sentry/fsimpl/gofer/regular_file.go, but that also keeps
// what is written where nothing was read before.
//
// Requests are done in the order in which they are sent. So what was sent counts as being at the
// server: a read that follows finds it there, and only an fsync has to wait for the answers.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { O_ACCMODE, O_RDONLY, O_RDWR, O_WRONLY } from '../../abi/fcntl.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Op, runAsync, uninterrupted, WaitQueue } from '../../lib/op.ts';
import type { CachedData, DirtyTracker } from '../shared/cached-data.ts';
import { ChunkCache } from '../shared/chunk-cache.ts';
import { ChunkLoader } from '../shared/chunk-loader.ts';
import type { ByteRange, DataSource, Unwritten } from '../shared/data-source.ts';
import { ErrorSequence } from '../shared/error-sequence.ts';
import { BLOCK_SIZE, CHUNK_SIZE } from '../shared/file-data.ts';
import { LargeWrites } from '../shared/large-writes.ts';
import { bytesTogether, endOf, type StoredRun } from '../shared/stored-runs.ts';
import { type GoferInode, isPointless } from './gofer-inode.ts';
import type { OpenedAndRead, Pending, Remote, RemoteFd } from './remote.ts';

/** Milliseconds until what is written is sent. */
const WRITE_BACK_MS = 1000;
/** Of what may wait, the part from which on it is sent at once: the link is not to be idle. */
const SENT_FROM = 1 / 4;
/** Of a file that is opened to be read, so much comes with it. */
export const FIRST_READ_MAX = 128 << 10;

const NOTHING_UNWRITTEN: Unwritten = { cutOf: () => Infinity, holesOf: () => [] };

export interface GoferDataOptions {
  readonly remote: Remote;
  readonly clock: Clock;
  readonly cacheSize: number;
  readonly dirtyLimit: number;
  readonly byNumber: (ino: number) => GoferInode;
  readonly fdOf: (inode: GoferInode) => Op<RemoteFd>;
  /** A request was sent that changes a file. */
  readonly onChanged: (inode: GoferInode) => void;
}

export class GoferData implements DataSource, DirtyTracker {
  readonly #options: GoferDataOptions;
  readonly chunks: ChunkCache;
  readonly loader: ChunkLoader;
  readonly #dirty = new Set<GoferInode>();
  #dirtyBytes = 0;
  /** Sent, and not answered yet. */
  #sentBytes = 0;
  readonly #answered = new WaitQueue();
  readonly #unanswered = new Set<GoferInode>();
  #cancelTimer: (() => void) | undefined;
  /** Of anything that nobody waited for. */
  readonly errors = new ErrorSequence();

  constructor(options: GoferDataOptions) {
    this.#options = options;
    // The remote has copied what it was given to write.
    this.chunks = new ChunkCache(options.cacheSize, new LargeWrites());
    this.loader = new ChunkLoader(this, this.chunks, NOTHING_UNWRITTEN);
  }

  // Open files.

  /**
   * Sees to it that the server has a file open for what `flags` say. Mirrors gVisor's
   * ensureSharedHandle().
   */
  *open(inode: GoferInode, flags: number): Op<void> {
    const access = flags & O_ACCMODE;
    const reads = access === O_RDONLY || access === O_RDWR;
    const writes = access === O_WRONLY || access === O_RDWR;
    // Lost with a server, and found again since.
    if (inode.readFd?.isLost === true) inode.readFd = undefined;
    if (inode.writeFd?.isLost === true) inode.writeFd = undefined;
    const needsRead = reads && inode.readFd === undefined;
    const needsWrite = writes && inode.writeFd === undefined;
    if (!needsRead && !needsWrite) return;
    const fd = yield* this.#options.fdOf(inode);
    if (needsRead && !needsWrite) yield* this.#openToRead(inode, fd);
    else yield* this.#openToWrite(inode, fd, needsRead);
  }

  *#openToRead(inode: GoferInode, fd: RemoteFd): Op<void> {
    const { remote } = this.#options;
    const data = inode.cached;
    const wantsData = data !== undefined && this.#keeps && data.chunks.get(0) === undefined;
    const bytesMax = wantsData ? FIRST_READ_MAX : 0;
    const generation = data?.generation;
    const found = yield* remote.openAndRead(fd, O_RDONLY, bytesMax);
    if (inode.readFd !== undefined) remote.close(found.opened);
    else inode.readFd = found.opened;
    if (wantsData && found.isWhole && data.generation === generation) {
      this.#insert(inode, data, found.data);
    }
  }

  /** A file that nothing was known of was opened as it was found. */
  openedAhead(inode: GoferInode, { opened, data, isWhole }: OpenedAndRead): void {
    if (inode.readFd !== undefined || !inode.isRegular) {
      this.#options.remote.close(opened);
      return;
    }
    inode.readFd = opened;
    const { cached } = inode;
    const isKept = cached !== undefined && this.#keeps && isWhole && !inode.freshness.isStale;
    if (isKept) this.#insert(inode, cached, data);
  }

  /** A small file has come as it was opened. */
  #insert(inode: GoferInode, data: CachedData, bytes: Uint8Array): void {
    if (bytes.length !== inode.size) return;
    for (let at = 0; at < bytes.length; at += CHUNK_SIZE) {
      const index = at / CHUNK_SIZE;
      if (data.chunks.has(index) || data.loading.has(index)) continue;
      const part = bytes.slice(at, at + CHUNK_SIZE);
      const written = 2 ** Math.ceil(part.length / BLOCK_SIZE) - 1;
      data.insertStored(index, { written, runs: [{ offset: at, bytes: part }] });
    }
  }

  /** To read as well if that may be: most that writes fills up blocks. */
  *#openToWrite(inode: GoferInode, fd: RemoteFd, mustRead: boolean): Op<void> {
    const { remote } = this.#options;
    inode.wasOpenToWrite = true;
    let opened: RemoteFd;
    let reads = true;
    try {
      opened = yield* remote.open(fd, O_RDWR);
    } catch (error) {
      if (error !== linuxerr.EACCES || mustRead) throw error;
      opened = yield* remote.open(fd, O_WRONLY);
      reads = false;
    }
    if (inode.writeFd !== undefined) {
      remote.close(opened);
      return;
    }
    inode.writeFd = opened;
    if (!reads) return;
    if (inode.readFd !== undefined) remote.close(inode.readFd);
    inode.readFd = opened;
  }

  /** Nobody has the file any more. */
  close(inode: GoferInode): void {
    this.closeFds(inode);
    this.#dirty.delete(inode);
    inode.forgetData();
  }

  /** What the server has open of a file that nobody has open. */
  closeFds(inode: GoferInode): void {
    const { remote } = this.#options;
    const { readFd, writeFd, lockReadFd, lockWriteFd, fd } = inode;
    const all = new Set([readFd, writeFd, lockReadFd, lockWriteFd, fd]);
    for (const each of all) if (each !== undefined) remote.close(each);
    inode.readFd = inode.writeFd = inode.fd = undefined;
    inode.lockReadFd = inode.lockWriteFd = undefined;
  }

  /** Asks for what was sent of a file to be synced, if the server has it open. */
  syncUnawaited(inode: GoferInode): void {
    const pending = this.#syncing(inode);
    if (pending === undefined) return;
    inode.isUnsynced = false;
    inode.syncing++;
    pending.onSettled((error) => {
      inode.syncing--;
      // What is lost with a server, or never was there, can't be synced by another: that is told
      // once.
      const isLost = error === linuxerr.ESTALE || error === linuxerr.EBADF;
      if (error !== undefined) inode.isUnsynced = !isLost && !isPointless(inode, error);
    });
    this.sent(inode, pending);
  }

  /** What it had taken and not synced may be gone: whoever syncs is told, once. */
  hostRestarted(inodes: Iterable<GoferInode>): void {
    for (const inode of new Set([...inodes, ...this.#unanswered])) {
      if (inode.isUnsynced || inode.syncing > 0) this.#failed(inode, linuxerr.EIO);
    }
  }

  #syncing({ isDir, fd, writeFd }: GoferInode): Pending<void> | undefined {
    const { remote } = this.#options;
    if (isDir) return fd === undefined ? undefined : remote.syncDirectory(fd);
    return writeFd === undefined ? undefined : remote.sync([writeFd]);
  }

  /** The same, opening it if need be. Failures are told to whoever syncs. */
  *syncFile(inode: GoferInode): Op<void> {
    // Nobody can ever read it.
    if (inode.nlink === 0 && inode.writeFd === undefined) return;
    try {
      if (inode.isDir) yield* this.#options.fdOf(inode);
      else yield* this.open(inode, O_WRONLY);
    } catch (error) {
      const failure = errorOf(error);
      if (isPointless(inode, failure)) inode.isUnsynced = false;
      this.#failed(inode, failure);
      return;
    }
    this.syncUnawaited(inode);
  }

  get #keeps(): boolean {
    return this.#options.cacheSize > 0;
  }

  // Reading: what the loader asks for.

  *read(ino: number, offset: number, length: number): Op<StoredRun[]> {
    const inode = this.#options.byNumber(ino);
    const end = Math.min(inode.size, offset + length);
    if (offset >= end) return [];
    const runs = yield* this.#readHeld(inode, offset, end - offset);
    const reached = endOf(runs, offset);
    // The file was cut there, which nobody has told: what isn't there reads as zeros.
    if (reached < end) runs.push({ offset: reached, bytes: new Uint8Array(end - reached) });
    return runs;
  }

  /** What is read ahead is nobody else's. */
  *#readHeld(inode: GoferInode, offset: number, length: number): Op<StoredRun[]> {
    inode.incRef();
    try {
      yield* this.open(inode, O_RDONLY);
      return yield* this.#readRuns(assertDefined(inode.readFd), offset, length);
    } finally {
      inode.decRef();
    }
  }

  /** Fewer at the end of the file. */
  *readBytes(opened: RemoteFd, offset: number, length: number): Op<Uint8Array> {
    const runs = yield* this.#readRuns(opened, offset, length);
    return bytesTogether(runs, endOf(runs, offset) - offset);
  }

  /** The same, as it comes: several requests are under way at a time. */
  *#readRuns(opened: RemoteFd, offset: number, length: number): Op<StoredRun[]> {
    const { remote } = this.#options;
    const max = Math.floor(remote.transferMax / CHUNK_SIZE) * CHUNK_SIZE;
    const parts: Pending<Uint8Array>[] = [];
    for (let at = 0; at < length; at += max) {
      parts.push(remote.read(opened, offset + at, Math.min(max, length - at)));
    }
    const runs: StoredRun[] = [];
    let hasEnded = false;
    for (const [index, part] of parts.entries()) {
      const bytes = yield* part.wait();
      if (hasEnded) continue;
      runs.push({ offset: offset + index * max, bytes });
      hasEnded = bytes.length < max;
    }
    return runs;
  }

  /** Returns how many were written. */
  *writeBytes(inode: GoferInode, offset: number, bytes: Uint8Array): Op<number> {
    const { remote } = this.#options;
    const opened = assertDefined(inode.writeFd);
    const parts: { readonly size: number; readonly pending: Pending<number> }[] = [];
    for (let at = 0; at < bytes.length; at += remote.transferMax) {
      const part = bytes.subarray(at, at + remote.transferMax);
      parts.push({ size: part.length, pending: remote.write(opened, offset + at, part) });
    }
    inode.isUnsynced = true;
    this.#options.onChanged(inode);
    let done = 0;
    let failure: unknown;
    for (const { size, pending } of parts) {
      try {
        const count = yield* uninterrupted(pending.wait());
        if (failure === undefined) done += count;
        if (count < size) failure ??= linuxerr.ENOSPC;
      } catch (error) {
        failure ??= error;
      }
    }
    if (done === 0 && failure !== undefined) throw failure as LinuxError;
    return done;
  }

  *dataRanges(ino: number, offset: number, length: number): Op<ByteRange[]> {
    const { size } = this.#options.byNumber(ino);
    const to = Math.min(offset + length, Math.ceil(size / BLOCK_SIZE) * BLOCK_SIZE);
    return to > offset ? [{ from: offset, to }] : [];
  }

  *nextData(ino: number, offset: number): Op<number | undefined> {
    return offset < this.#options.byNumber(ino).size ? offset : undefined;
  }

  // Writing.

  dataCut(): void {
    // The server is told of the new size before.
  }

  dataPunched(): void {
    // As of the hole.
  }

  dataDirtied(data: CachedData, byBytes: number): void {
    this.#dirtyBytes += byBytes;
    if (byBytes <= 0) return;
    this.touched(this.#options.byNumber(data.ino));
  }

  /** Something of a file is to be sent some time. */
  touched(inode: GoferInode): void {
    this.#dirty.add(inode);
    const { clock } = this.#options;
    this.#cancelTimer ??= clock.setTimer(WRITE_BACK_MS, () => {
      this.#cancelTimer = undefined;
      this.chunks.largeWrites?.end();
      void runAsync(this.sendAll());
    });
  }

  isDirty(inode: GoferInode): boolean {
    return this.#dirty.has(inode);
  }

  get isFarBehind(): boolean {
    const { dirtyLimit } = this.#options;
    const isMuch = this.#dirtyBytes > dirtyLimit * SENT_FROM;
    return isMuch || this.#dirtyBytes + this.#sentBytes > dirtyLimit;
  }

  /** Sends what there is if it is much, and waits until less than the limit is on its way. */
  *throttle(): Op<void> {
    if (!this.isFarBehind) return;
    yield* this.sendAll('data');
    while (this.#sentBytes > this.#options.dirtyLimit) yield this.#answered;
  }

  /**
   * Sends what was written. Times are left to whoever sends all: they change with each write.
   * Failures are told to whoever syncs.
   */
  *sendAll(what: 'all' | 'data' = 'all'): Op<void> {
    for (const inode of [...this.#dirty]) {
      inode.incRef();
      try {
        yield* this.send(inode, what);
      } finally {
        inode.decRef();
      }
    }
  }

  /** The same of one file. */
  *send(inode: GoferInode, what: 'all' | 'data' = 'all'): Op<void> {
    if (!this.#dirty.has(inode)) return;
    const { remote } = this.#options;
    const data = inode.cached;
    const hasData = data !== undefined && hasDirty(data);
    try {
      if (hasData) yield* uninterrupted(this.open(inode, O_WRONLY));
    } catch (error) {
      this.#failed(inode, errorOf(error));
      // Its file isn't there any more, and never will be.
      if (error === linuxerr.ESTALE) this.#forgetUnsent(inode);
      return;
    }
    const isAll = what === 'all' || !inode.hasOwnTimes;
    if (isAll) this.#dirty.delete(inode);
    if (data !== undefined && hasData) this.#sendData(inode, data);
    if (isAll && inode.hasOwnTimes) {
      const { atime, mtime } = inode;
      inode.hasOwnTimes = false;
      try {
        const fd = yield* this.#options.fdOf(inode);
        this.sent(inode, remote.setAttributes(fd, { atime, mtime }));
        this.#options.onChanged(inode);
      } catch (error) {
        this.#failed(inode, errorOf(error));
      }
    }
  }

  #forgetUnsent(inode: GoferInode): void {
    this.#dirty.delete(inode);
    inode.hasOwnTimes = false;
    inode.forgetData();
  }

  #sendData(inode: GoferInode, data: CachedData): void {
    const dirty = [...data.chunks.values()]
      .filter((chunk) => chunk.dirty !== 0)
      .sort((a, b) => a.index - b.index);
    let batch: StoredRun[] = [];
    let batchBytes = 0;
    const flush = (): void => {
      if (batch.length > 0) this.#sendRuns(inode, batch, batchBytes);
      batch = [];
      batchBytes = 0;
    };
    for (const chunk of dirty) {
      for (const { offset, bytes } of data.runsOf(chunk, chunk.dirty)) {
        const part = bytes.subarray(0, Math.max(0, inode.size - offset));
        const last = batch.at(-1);
        const isNext = last === undefined || last.offset + last.bytes.length === offset;
        const fits = batchBytes + part.length <= this.#options.remote.transferMax;
        if (!isNext || !fits) flush();
        if (part.length === 0) continue;
        batch.push({ offset, bytes: part });
        batchBytes += part.length;
      }
      chunk.dirty = 0;
      data.onDirtied(chunk);
    }
    flush();
    this.#options.onChanged(inode);
    // What is on its way to here was read before.
    data.generation++;
    data.storedChunks = Math.max(data.storedChunks, Math.ceil(inode.size / CHUNK_SIZE));
    this.chunks.evict();
  }

  #sendRuns(inode: GoferInode, runs: readonly StoredRun[], size: number): void {
    const [first] = runs;
    if (first === undefined) return;
    const bytes = bytesTogether(runs, size);
    const opened = assertDefined(inode.writeFd);
    inode.isUnsynced = true;
    this.#sentBytes += bytes.length;
    const pending = this.#options.remote.write(opened, first.offset, bytes);
    pending.onSettled((error, count) => {
      this.#sentBytes -= bytes.length;
      this.#answered.wakeAll();
      if (error === undefined && count !== bytes.length) this.#failed(inode, linuxerr.ENOSPC);
    });
    this.sent(inode, pending);
  }

  /** Whoever syncs the file waits for it, and is told if it fails. */
  sent(inode: GoferInode, pending: Pending<unknown>): void {
    inode.incRef();
    inode.unanswered++;
    this.#unanswered.add(inode);
    pending.onSettled((error) => {
      if (error !== undefined) this.#failed(inode, error);
      if (--inode.unanswered === 0) {
        this.#unanswered.delete(inode);
        inode.answered.wakeAll();
      }
      inode.decRef();
    });
  }

  #failed(inode: GoferInode, reason: LinuxError): void {
    // The server's descriptor, which was to come of a request that was lost: not the program's.
    const error = reason === linuxerr.EBADF ? linuxerr.EIO : reason;
    (inode.writeErrors ??= new ErrorSequence()).add(error);
    if (!isPointless(inode, reason)) this.errors.add(error);
  }

  /** Everything of a file is at the server, and answered. */
  *settle(inode: GoferInode): Op<void> {
    yield* this.send(inode);
    yield* inode.untilAnswered();
  }

  /** The same of several, and of what is no longer in memory. */
  *settleAll(inodes: readonly GoferInode[]): Op<void> {
    for (const inode of new Set([...inodes, ...this.#unanswered])) yield* this.settle(inode);
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}

/** Of a request. Anything else is a bug, and goes on. */
function errorOf(error: unknown): LinuxError {
  if (error instanceof LinuxError) return error;
  throw error;
}

function hasDirty(data: CachedData): boolean {
  for (const { dirty } of data.chunks.values()) if (dirty !== 0) return true;
  return false;
}
