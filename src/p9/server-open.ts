// Fids that are open: files' data, and directories' names.
// Mirrors gVisor pkg/p9/handlers.go (Tlopen to Treaddir); diod protocol.md; 9P: open(5), read(5).

import { linuxerr } from '../abi/errno.ts';
import {
  O_ACCMODE,
  O_APPEND,
  O_DIRECTORY,
  O_DSYNC,
  O_EXCL,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
} from '../abi/fcntl.ts';
import { S_IFLNK, S_PERMISSIONS } from '../abi/stat.ts';
import type { Op } from '../lib/op.ts';
import { checkName, checkThere, usingToRead, usingToWrite, withRead } from '../served/locked.ts';
import type { ListedName, OpenedFile, Statx } from '../served/served-file.ts';
import { HEADER_SIZE } from './frame.ts';
import { MESSAGES, type RMessage, type TMessage } from './messages.ts';
import { type Dirent, dirent as direntLayout } from './records.ts';
import { qidOf, qidTypeOf } from './server-attributes.ts';
import { HeldFile, type OpenUse } from './server-fids.ts';
import type { Handlers, Request } from './server-request.ts';
import { walkLocked } from './server-walk.ts';
import { readXattr, writeNewXattr } from './server-xattrs.ts';

/** No advice for the size of reads and writes: whatever msize has room for. */
const IOUNIT = 0;
/** Not an access mode. Linux: open(2) has it for ioctls. */
const O_NOACCESS = 3;
/** A mode's type bits lie above its permissions. */
const DT_SHIFT = 12;

function changes(flags: number): boolean {
  return (flags & O_ACCMODE) !== O_RDONLY || (flags & O_TRUNC) !== 0;
}

function useOf(opened: OpenedFile, flags: number): OpenUse {
  const access = flags & O_ACCMODE;
  return {
    kind: 'open',
    opened,
    isReadable: access !== O_WRONLY,
    isWritable: access !== O_RDONLY,
    isAppending: (flags & O_APPEND) !== 0,
    isSync: (flags & O_DSYNC) !== 0,
  };
}

/** Errors: EINVAL, EROFS, EISDIR, ENOTDIR. */
function checkOpen(request: Request, { file, isDirectory }: HeldFile, flags: number): void {
  if ((flags & O_ACCMODE) === O_NOACCESS) throw linuxerr.EINVAL;
  if (changes(flags)) request.checkChange();
  if (isDirectory && changes(flags)) throw linuxerr.EISDIR;
  if (file.type === S_IFLNK) throw linuxerr.EINVAL;
  if (!isDirectory && (flags & O_DIRECTORY) !== 0) throw linuxerr.ENOTDIR;
}

interface Opened {
  readonly opened: OpenedFile;
  readonly statx: Statx;
}

/** The tree is held. Errors: those of opening. */
function* openLocked(request: Request, held: HeldFile, flags: number): Op<Opened> {
  const { file } = held;
  const truncates = (flags & O_TRUNC) !== 0;
  const run = function* (): Op<Opened> {
    const opened = yield* file.open(flags & (O_ACCMODE | O_TRUNC));
    if (truncates) request.tree.written(held);
    try {
      return { opened, statx: yield* file.stat() };
    } catch (error) {
      request.fids.closeLater(opened.close());
      throw error;
    }
  };
  // To truncate is to write.
  return yield* truncates ? usingToWrite(held, run) : usingToRead(held, run);
}

interface Created extends Opened {
  readonly held: HeldFile;
}

function* createNew(
  request: Request,
  directory: HeldFile,
  { name, flags, mode, gid }: TMessage<'lcreate'>,
  uid: number,
): Op<Created> {
  const { node, file } = directory;
  const creation = { mode: mode & S_PERMISSIONS, uid, gid };
  return yield* request.writing(directory, function* () {
    checkThere(node);
    const made = yield* file.create(name, creation, flags & O_ACCMODE);
    request.tree.entryChanged(directory, name);
    const held = new HeldFile(request.fids, node.hold(name), made);
    return { held, opened: made.opened, statx: made.statx };
  });
}

/** Errors: ENOENT if it has gone; ELOOP of a symlink; checkOpen()'s. */
function* openThere(
  request: Request,
  directory: HeldFile,
  { name, flags }: TMessage<'lcreate'>,
): Op<Created> {
  return yield* withRead(request.tree.renameMu, function* () {
    const { end: held } = yield* walkLocked(request, directory, [name]);
    if (!(held instanceof HeldFile)) throw held;
    try {
      if (held.file.type === S_IFLNK) throw linuxerr.ELOOP;
      if (held.isDirectory) throw linuxerr.EISDIR;
      checkOpen(request, held, flags);
      return { ...(yield* openLocked(request, held, flags)), held };
    } catch (error) {
      held.release();
      throw error;
    }
  });
}

/** gVisor's makes a new file always; to the standard's it is open(2) with O_CREAT. */
function* createOrOpen(
  request: Request,
  directory: HeldFile,
  values: TMessage<'lcreate'>,
  uid: number,
): Op<Created> {
  const isExclusive = request.scope.version > 0 || (values.flags & O_EXCL) !== 0;
  try {
    return yield* createNew(request, directory, values, uid);
  } catch (error) {
    if (error !== linuxerr.EEXIST || isExclusive) throw error;
    return yield* openThere(request, directory, values);
  }
}

function* create(
  request: Request,
  values: TMessage<'lcreate'>,
  uid?: number,
): Op<RMessage<'lcreate'>> {
  const { fid: number, name, flags } = values;
  const fid = request.fid(number);
  checkName(name);
  request.checkChange();
  if (fid.use !== undefined || (flags & O_ACCMODE) === O_NOACCESS) throw linuxerr.EINVAL;
  if (!fid.held.isDirectory) throw linuxerr.ENOTDIR;
  const made = yield* createOrOpen(request, fid.held, values, uid ?? fid.uid);
  const { held, opened, statx } = made;
  request.fids.replace({ number, held, uid: fid.uid, use: useOf(opened, flags) });
  return { qid: qidOf(request, statx), iounit: IOUNIT };
}

function* read(request: Request, { fid, offset, count }: TMessage<'read'>): Op<Uint8Array> {
  const { use } = request.fid(fid);
  const room = request.scope.msize - HEADER_SIZE - MESSAGES.read.R.sizeMin;
  const size = Math.min(count, room);
  if (use?.kind === 'xattr') return readXattr(use, offset, size);
  const { opened, isReadable, held } = request.open(fid);
  if (!isReadable) throw linuxerr.EBADF;
  if (held.isDirectory) throw linuxerr.EISDIR;
  const bytes = new Uint8Array(size);
  const got = yield* request.reading(held, () => opened.read(bytes, offset));
  return bytes.subarray(0, got);
}

function* write(request: Request, { fid, offset, data }: TMessage<'write'>): Op<number> {
  const { use } = request.fid(fid);
  if (use?.kind === 'new xattr') return writeNewXattr(use, offset, data);
  const { opened, isWritable, isAppending, isSync, held } = request.open(fid);
  if (!isWritable) throw linuxerr.EBADF;
  return yield* request.writing(held, function* () {
    try {
      const at = isAppending ? (yield* held.file.stat()).size : offset;
      const count = yield* opened.write(data, at);
      if (isSync) yield* opened.sync();
      return count;
    } finally {
      request.tree.written(held);
    }
  });
}

function direntOf(request: Request, { name, type, cookie, ...id }: ListedName): Dirent {
  const qidType = qidTypeOf(type << DT_SHIFT);
  // There is no version without a look at the file.
  const qid = { type: qidType, version: 0, path: request.scope.qidPaths.pathOf(id) };
  const isStandard = request.scope.version === 0;
  return { qid, offset: BigInt(cookie), type: isStandard ? type : qidType, name };
}

/** Those after `offset` that take `room` bytes at most. Errors: EINVAL if not even one fits. */
function* list(
  request: Request,
  opened: OpenedFile,
  { offset, room }: { readonly offset: number; readonly room: number },
): Op<Dirent[]> {
  const entries: Dirent[] = [];
  let left = room;
  let at = offset;
  for (;;) {
    const more = yield* opened.list(at);
    if (more.length === 0) return entries;
    for (const each of more) {
      at = each.cookie;
      // gVisor's clients have them by themselves.
      const isDots = each.name === '.' || each.name === '..';
      if (isDots && request.scope.version > 0) continue;
      const entry = direntOf(request, each);
      left -= direntLayout.sizeOf(entry);
      if (left < 0 && entries.length === 0) throw linuxerr.EINVAL;
      if (left < 0) return entries;
      entries.push(entry);
    }
  }
}

type Names =
  'lopen' | 'lcreate' | 'ucreate' | 'read' | 'write' | 'readdir' | 'fsync' | 'flushf' | 'allocate';

export const OPEN_HANDLERS: Handlers<Names> = {
  *lopen(request, { fid: number, flags }) {
    const fid = request.fid(number);
    if (fid.use !== undefined) throw linuxerr.EINVAL;
    checkOpen(request, fid.held, flags);
    const run = (): Op<Opened> => openLocked(request, fid.held, flags);
    const { opened, statx } = yield* withRead(request.tree.renameMu, run);
    fid.use = useOf(opened, flags);
    return { qid: qidOf(request, statx), iounit: IOUNIT };
  },

  *lcreate(request, values) {
    return yield* create(request, values);
  },

  *ucreate(request, { uid, ...values }) {
    return yield* create(request, values, uid);
  },

  *read(request, values) {
    return { data: yield* read(request, values) };
  },

  *write(request, values) {
    return { count: yield* write(request, values) };
  },

  *readdir(request, { fid, offset, count }) {
    const { opened, held } = request.open(fid);
    if (!held.isDirectory) throw linuxerr.ENOTDIR;
    if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw linuxerr.EINVAL;
    const room = Math.min(count, request.scope.msize - HEADER_SIZE - MESSAGES.readdir.R.sizeMin);
    const wanted = { offset: Number(offset), room };
    return { entries: yield* request.reading(held, () => list(request, opened, wanted)) };
  },

  *fsync(request, { fid }) {
    const { opened, held } = request.open(fid);
    yield* request.reading(held, () => opened.sync());
    return {};
  },

  *flushf(request, { fid }) {
    const { opened, held } = request.open(fid);
    yield* request.reading(held, () => opened.flush());
    return {};
  },

  *allocate(request, { fid, mode, offset, length }) {
    const { opened, isWritable, held } = request.open(fid);
    if (!isWritable) throw linuxerr.EBADF;
    yield* request.writing(held, function* () {
      try {
        yield* opened.allocate(mode, offset, length);
      } finally {
        request.tree.written(held);
      }
    });
    return {};
  },
};
