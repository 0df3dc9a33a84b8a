// Open files: their data. Mirrors gVisor pkg/lisafs/handlers.go (OpenAtHandler to FlushHandler).

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { O_ACCMODE, O_RDONLY, O_TRUNC } from '../abi/fcntl.ts';
import { S_IFREG } from '../abi/stat.ts';
import type { Op } from '../lib/op.ts';
import { usingToRead, usingToWrite, withRead } from '../served/locked.ts';
import { INVALID_FD, type Statx } from './records.ts';
import type { ControlFD, OpenFD } from './server-fds.ts';
import { roomToRead } from './server-reply.ts';
import type { Handlers, Request } from './server-request.ts';

/** What a reply of PRead's takes beside the bytes. */
const READ_REPLY_BYTES = 8;
/** And one of OpenReadAt's. */
const OPEN_READ_REPLY_BYTES = 192;
const OPEN_FLAGS = O_ACCMODE | O_TRUNC;

/** Does it change anything? Such are refused where nothing may be changed. */
export function isPlainRead(flags: number): boolean {
  return (flags & OPEN_FLAGS) === O_RDONLY;
}

/** The node is held. Errors: EISDIR, EINVAL, and those of opening. */
export function* open(
  request: Request,
  fd: ControlFD,
  wireFlags: number,
  id = INVALID_FD,
): Op<OpenFD> {
  const flags = wireFlags & OPEN_FLAGS;
  if (fd.isDirectory && !isPlainRead(flags)) throw linuxerr.EISDIR;
  if (fd.isSymlink) throw linuxerr.EINVAL;
  // One that was promised has its place already.
  const count = id === INVALID_FD ? 1 : 0;
  request.fds.reserve(count);
  try {
    const opened = yield* fd.file.open(flags);
    if ((flags & O_TRUNC) !== 0) request.scope.tree.written(fd);
    // The request uses it until it ends, whatever the client closes meanwhile.
    return request.made(request.fds.addOpen(fd, opened, flags, id));
  } finally {
    request.fds.unreserve(count);
  }
}

/** The whole file, or as much as is wanted. */
function* readStart(
  { opened }: OpenFD,
  size: number,
  wanted: number,
): Op<{ readonly isWhole: boolean; readonly data: Uint8Array }> {
  // Some files that have a size of 0 have something to read.
  const bytes = new Uint8Array(Math.min(size + 1, wanted));
  const count = yield* readFully(opened, bytes);
  const isWhole = count < bytes.length || (count > 0 && count === size);
  return { isWhole, data: bytes.subarray(0, count) };
}

function* readFully(opened: OpenFD['opened'], into: Uint8Array): Op<number> {
  let count = 0;
  while (count < into.length) {
    const more = yield* opened.read(into.subarray(count), count);
    if (more === 0) break;
    count += more;
  }
  return count;
}

/** To truncate is to write. */
function lockToOpen<T>(fd: ControlFD, flags: number, run: () => Op<T>): Op<T> {
  return (flags & O_TRUNC) === 0 ? usingToRead(fd, run) : usingToWrite(fd, run);
}

interface OpenedAndRead {
  readonly openFD: number;
  readonly statx: Statx;
  readonly isWhole: boolean;
  readonly data: Uint8Array;
}

/** Opens, and reads its first `maxBytes` if it is a file that can be read. The tree is held. */
export function* readAtOpen(
  request: Request,
  fd: ControlFD,
  flags: number,
  maxBytes: number,
): Op<OpenedAndRead> {
  const room = Math.max(0, request.scope.payloadMax - OPEN_READ_REPLY_BYTES);
  return yield* lockToOpen(fd, flags, function* () {
    const openFD = yield* open(request, fd, flags);
    try {
      const statx = yield* fd.file.stat();
      const isFile = fd.file.type === S_IFREG;
      const wanted = openFD.isReadable && isFile ? Math.min(maxBytes, room) : 0;
      const read = yield* readStart(openFD, statx.size, wanted);
      return { openFD: openFD.id, statx, ...read };
    } catch (error) {
      request.fds.close(openFD.id);
      throw error;
    }
  });
}

/** Each is tried. Errors: the first one's. */
function* syncAll(request: Request, ids: readonly number[]): Op<void> {
  let first: LinuxError | undefined;
  // An FD that is named again and again is synced once.
  for (const found of yield* request.openAll([...new Set(ids)])) {
    try {
      if (found instanceof LinuxError) throw found;
      const { control, opened } = found;
      yield* request.reading(control, () => opened.sync());
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      first ??= error;
    }
  }
  if (first !== undefined) throw first;
}

function* untilMade(request: Request, id: number): Op<void> {
  try {
    yield* request.any(id);
  } catch (error) {
    if (error !== linuxerr.EBADF) throw error;
  }
}

type Names =
  'OpenAt' | 'OpenReadAt' | 'PRead' | 'PWrite' | 'FSync' | 'FAllocate' | 'Flush' | 'Close';

export const DATA_HANDLERS: Handlers<Names> = {
  *OpenAt(request, { fd: id, flags }) {
    const fd = yield* request.control(id);
    return yield* withRead(request.scope.tree.renameMu, () =>
      lockToOpen(fd, flags, function* () {
        return { openFD: (yield* open(request, fd, flags)).id };
      }),
    );
  },

  *OpenReadAt(request, { fd: id, flags, maxBytes }) {
    const fd = yield* request.control(id);
    const run = (): Op<OpenedAndRead> => readAtOpen(request, fd, flags, maxBytes);
    return yield* withRead(request.scope.tree.renameMu, run);
  },

  *PRead(request, { fd: id, offset, count }) {
    if (READ_REPLY_BYTES + count > request.scope.payloadMax) throw linuxerr.ENOBUFS;
    const { control, opened, isReadable } = yield* request.open(id);
    if (!isReadable) throw linuxerr.EBADF;
    if (control.isDirectory) throw linuxerr.EISDIR;
    return yield* request.reading(control, function* () {
      const bytes = roomToRead(count);
      const read = yield* opened.read(bytes, offset);
      return { data: bytes.subarray(0, read) };
    });
  },

  *PWrite(request, { fd: id, offset, data }) {
    const { control, opened, isWritable } = yield* request.open(id);
    if (!isWritable) throw linuxerr.EBADF;
    return yield* request.writing(control, function* () {
      try {
        return { count: yield* opened.write(data, offset) };
      } finally {
        request.scope.tree.written(control);
      }
    });
  },

  *FSync(request, { fds }) {
    yield* syncAll(request, fds);
    return {};
  },

  *FAllocate(request, { fd: id, mode, offset, length }) {
    const { control, opened, isWritable } = yield* request.open(id);
    if (!isWritable) throw linuxerr.EBADF;
    yield* request.writing(control, function* () {
      try {
        yield* opened.allocate(mode, offset, length);
      } finally {
        request.scope.tree.written(control);
      }
    });
    return {};
  },

  *Flush(request, { fd: id }) {
    const { control, opened } = yield* request.open(id);
    yield* request.reading(control, () => opened.flush());
    return {};
  },

  *Close(request, { fds }) {
    for (const id of fds) {
      // What is being made is waited for, if anything comes of it.
      if (request.fds.isAwaited(id)) yield* untilMade(request, id);
      request.fds.close(id);
    }
    // Who asks for more once this is answered finds the room.
    yield* request.fds.untilClosed();
    return {};
  },
};
