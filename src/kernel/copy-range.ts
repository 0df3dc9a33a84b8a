// Copying from one open file to another. Linux: fs/read_write.c vfs_copy_file_range(),
// do_sendfile().

import { linuxerr } from '../abi/errno.ts';
import { O_APPEND, SEEK_CUR, SEEK_SET } from '../abi/fcntl.ts';
import { IN_ACCESS, IN_MODIFY } from '../abi/inotify.ts';
import { FILE_SIZE_MAX, RW_COUNT_MAX } from '../abi/limits.ts';
import { S_IFBLK, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, type Stat } from '../abi/stat.ts';
import { type Op, uninterrupted } from '../lib/op.ts';
import type { FileDescription } from '../vfs/file-description.ts';
import type { SpliceTarget } from '../vfs/splice-target.ts';

/** The description's own offset, which then moves. */
export const OWN_OFFSET = -1;

const PIECE_SIZE = 1 << 17;

export interface CopyEnd {
  readonly file: FileDescription;
  /** OWN_OFFSET for the description's. */
  readonly offset: number;
}

/**
 * Errors, first one wins:
 *  - EISDIR for a directory, EINVAL for anything else that isn't a regular file.
 *  - EBADF if they aren't open for reading and writing, or the target with O_APPEND.
 *  - EXDEV between filesystems.
 *  - EOVERFLOW, EFBIG beyond FILE_SIZE_MAX.
 *  - EINVAL if the ranges overlap in one file.
 */
export function* copyFileRange(source: CopyEnd, target: CopyEnd, length: number): Op<number> {
  const stats = [yield* source.file.stat(), yield* target.file.stat()] as const;
  for (const stat of stats) if (isType(stat, S_IFDIR)) throw linuxerr.EISDIR;
  for (const stat of stats) if (!isType(stat, S_IFREG)) throw linuxerr.EINVAL;
  const mayCopy = source.file.isReadable && target.file.isWritable;
  if (!mayCopy || (target.file.statusFlags & O_APPEND) !== 0) throw linuxerr.EBADF;
  const [{ dev, ino, size }, to] = stats;
  if (dev !== to.dev) throw linuxerr.EXDEV;
  const from = yield* positionOf(source);
  const at = yield* positionOf(target);
  if (from < 0 || at < 0) throw linuxerr.EINVAL;
  if (from + length > FILE_SIZE_MAX || at + length > FILE_SIZE_MAX) throw linuxerr.EOVERFLOW;
  const count = Math.max(0, Math.min(length, size - from, RW_COUNT_MAX));
  if (count === 0) return 0;
  if (ino === to.ino && at + count > from && at < from + count) throw linuxerr.EINVAL;
  try {
    return yield* copy(source, target, count);
  } finally {
    // Linux: splice_direct_to_actor(), whatever came of it, and after what was written.
    source.file.accessed();
  }
}

/**
 * Before the target is looked at. Errors, first one wins:
 *  - EBADF if the source isn't open for reading; ESPIPE if an offset is given and it has none.
 *  - EINVAL for a negative offset or count.
 */
export function checkSendSource({ file, offset }: CopyEnd, count: number): void {
  if (!file.isReadable || file.isPathOnly) throw linuxerr.EBADF;
  if (offset !== OWN_OFFSET && !file.isSeekable) throw linuxerr.ESPIPE;
  if (offset < OWN_OFFSET || count < 0) throw linuxerr.EINVAL;
}

/**
 * Errors, first one wins:
 *  - EBADF if the target isn't open for writing.
 *  - EPIPE, EAGAIN of a pipe that nobody reads, or that is full.
 *  - EINVAL if the target is a file that is open with O_APPEND, or the source has no data of its
 *    own.
 */
export function* sendFile(source: CopyEnd, target: CopyEnd, count: number): Op<number> {
  if (!target.file.isWritable || target.file.isPathOnly) throw linuxerr.EBADF;
  // Of a pipe, where everything is appended, Linux doesn't ask.
  const isAppended = (target.file.statusFlags & O_APPEND) !== 0;
  if (isAppended && target.file.isSeekable) throw linuxerr.EINVAL;
  const stat = yield* source.file.stat();
  if (target.file.isSeekable && isType(stat, S_IFIFO)) throw linuxerr.EINVAL;
  const pipe = target.file.spliceTarget;
  // From where is settled before the wait, which comes before what is to be sent is looked at, even
  // if that is nothing. Linux: do_sendfile(), splice_file_to_pipe().
  const from = pipe !== undefined && source.file.isSeekable ? yield* positionOf(source) : 0;
  const room = pipe === undefined ? 0 : yield* pipe.waitForRoom();
  try {
    if (count === 0) return 0;
    if (!isType(stat, S_IFREG) && !isType(stat, S_IFBLK)) throw linuxerr.EINVAL;
    const wanted = Math.min(count, RW_COUNT_MAX);
    if (pipe !== undefined) {
      const range = { from, count: Math.min(wanted, room) };
      return yield* fillPipe(source, target.file, pipe, range);
    }
    const isOneOffset = source.file === target.file && source.offset === OWN_OFFSET;
    return yield* isOneOffset ? copyOntoItself(source.file, wanted) : copy(source, target, wanted);
  } finally {
    // Linux: splice_direct_to_actor(), whatever came of it; a pipe is filled another way.
    if (target.file.isSeekable) source.file.accessed();
  }
}

/** Once, with what fits: whoever sends more asks again. */
function* fillPipe(
  source: CopyEnd,
  target: FileDescription,
  pipe: SpliceTarget,
  { from, count }: { readonly from: number; readonly count: number },
): Op<number> {
  const buffer = new Uint8Array(count);
  let done = 0;
  while (done === 0) {
    const read = yield* source.file.readQuietly(buffer, from);
    if (read === 0) return 0;
    done = yield* pipe.splice(buffer.subarray(0, read), from);
    // While it was read others have filled the pipe, or closed its other end.
    if (done === 0) yield* pipe.waitForRoom();
  }
  if (source.offset === OWN_OFFSET) yield* moveTo(source.file, from + done);
  source.file.notifyCopied(IN_ACCESS);
  target.notifyCopied(IN_MODIFY);
  return done;
}

/** Linux: do_sendfile() takes both offsets before it moves either. */
function* copyOntoItself(file: FileDescription, count: number): Op<number> {
  const offset = yield* file.seek(0, SEEK_CUR);
  const done = yield* copy({ file, offset }, { file, offset }, count);
  yield* moveTo(file, offset + done);
  return done;
}

/** What has been sent must be counted: a signal changes nothing any more. */
function moveTo(file: FileDescription, offset: number): Op<number> {
  return uninterrupted(file.seek(offset, SEEK_SET));
}

function isType(stat: Stat, type: number): boolean {
  return (stat.mode & S_IFMT) === type;
}

function* positionOf({ file, offset }: CopyEnd): Op<number> {
  return offset === OWN_OFFSET ? yield* file.seek(0, SEEK_CUR) : offset;
}

/** Watches are told once, however many pieces it takes. */
function* copy(source: CopyEnd, target: CopyEnd, count: number): Op<number> {
  const buffer = new Uint8Array(Math.min(count, PIECE_SIZE));
  let done = 0;
  try {
    while (done < count) {
      const room = buffer.subarray(0, Math.min(buffer.length, count - done));
      const read = yield* source.file.readQuietly(room, advanced(source, done));
      if (read === 0) break;
      const piece = buffer.subarray(0, read);
      const written = yield* target.file.writeQuietly(piece, advanced(target, done));
      done += written;
      if (written < read) {
        if (source.offset === OWN_OFFSET) {
          yield* uninterrupted(source.file.seek(written - read, SEEK_CUR));
        }
        break;
      }
    }
  } catch (error) {
    if (done === 0) throw error;
  }
  if (done > 0) {
    source.file.notifyCopied(IN_ACCESS);
    target.file.notifyCopied(IN_MODIFY);
  }
  return done;
}

function advanced({ offset }: CopyEnd, done: number): number | undefined {
  return offset === OWN_OFFSET ? undefined : offset + done;
}
