// Files by their control FDs: attributes, links' targets, extended attributes.
// Mirrors gVisor pkg/lisafs/handlers.go (FStatHandler, SetStatHandler, …).

import { linuxerr } from '../abi/errno.ts';
import type { Op } from '../lib/op.ts';
import {
  STATX_ATIME,
  STATX_GID,
  STATX_MODE,
  STATX_MTIME,
  STATX_SIZE,
  STATX_UID,
} from '../abi/stat.ts';
import { checkThere } from '../served/locked.ts';
import type { ControlFD } from './server-fds.ts';
import { OpenFD } from './server-fds.ts';
import type { Handlers, Request } from './server-request.ts';

const SETTABLE = STATX_MODE | STATX_UID | STATX_GID | STATX_SIZE | STATX_ATIME | STATX_MTIME;

/**
 * Of a file that may have been removed: its FD is what counts. Errors: EBADF; EINVAL of an open FD.
 */
function* reading<T>(request: Request, id: number, run: (fd: ControlFD) => Op<T>): Op<T> {
  const fd = yield* request.control(id);
  return yield* request.reading(fd, () => run(fd));
}

function* writing<T>(request: Request, id: number, run: (fd: ControlFD) => Op<T>): Op<T> {
  const fd = yield* request.control(id);
  return yield* request.writing(fd, () => run(fd));
}

type Names =
  | 'FStat'
  | 'SetStat'
  | 'FStatFS'
  | 'ReadLinkAt'
  | 'FGetXattr'
  | 'FSetXattr'
  | 'FListXattr'
  | 'FRemoveXattr';

export const FILE_HANDLERS: Handlers<Names> = {
  *FStat(request, { fd: id }) {
    const fd = yield* request.any(id);
    const control = fd instanceof OpenFD ? fd.control : fd;
    return { statx: yield* request.reading(control, () => control.file.stat()) };
  },

  /** Also of a file that has been removed: its FD is what counts. */
  *SetStat(request, { fd: id, ...changes }) {
    const fd = yield* request.control(id);
    if ((changes.mask & ~SETTABLE) !== 0) throw linuxerr.EPERM;
    return yield* request.writing(fd, function* () {
      try {
        return yield* fd.file.setStat(changes);
      } finally {
        if ((changes.mask & STATX_SIZE) !== 0) request.scope.tree.written(fd);
        else request.scope.tree.attributesChanged(fd);
      }
    });
  },

  *FStatFS(request, { fd: id }) {
    const fd = yield* request.control(id);
    return yield* request.reading(fd, () => fd.file.statfs());
  },

  *ReadLinkAt(request, { fd: id }) {
    return yield* reading(request, id, function* ({ node, file, isSymlink }) {
      checkThere(node);
      if (!isSymlink) throw linuxerr.EINVAL;
      return { target: yield* file.readlink() };
    });
  },

  *FGetXattr(request, { fd: id, bufSize, name }) {
    return yield* reading(request, id, function* ({ file }) {
      return { value: yield* file.getXattr(name, bufSize) };
    });
  },

  *FSetXattr(request, { fd: id, flags, name, value }) {
    yield* writing(request, id, function* (fd) {
      yield* fd.file.setXattr(name, value, flags);
      request.scope.tree.attributesChanged(fd);
    });
    return {};
  },

  *FListXattr(request, { fd: id, size }) {
    return yield* reading(request, id, function* ({ file }) {
      return { names: yield* file.listXattr(size) };
    });
  },

  *FRemoveXattr(request, { fd: id, name }) {
    yield* writing(request, id, function* (fd) {
      yield* fd.file.removeXattr(name);
      request.scope.tree.attributesChanged(fd);
    });
    return {};
  },
};
