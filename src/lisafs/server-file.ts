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
import type { ControlFD } from './server-fds.ts';
import { OpenFD } from './server-fds.ts';
import { checkThere, type Handlers, type Request } from './server-request.ts';

const SETTABLE = STATX_MODE | STATX_UID | STATX_GID | STATX_SIZE | STATX_ATIME | STATX_MTIME;

/** Errors: EBADF, EINVAL if it is open or has been removed. */
function* readingThere<T>(request: Request, id: number, run: (fd: ControlFD) => Op<T>): Op<T> {
  const fd = yield* request.control(id);
  return yield* request.reading(fd.node, function* () {
    checkThere(fd.node);
    return yield* run(fd);
  });
}

function* writingThere<T>(request: Request, id: number, run: (fd: ControlFD) => Op<T>): Op<T> {
  const fd = yield* request.control(id);
  return yield* request.writing(fd.node, function* () {
    checkThere(fd.node);
    return yield* run(fd);
  });
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
    const { node, file } = fd instanceof OpenFD ? fd.control : fd;
    return { statx: yield* request.reading(node, () => file.stat()) };
  },

  /** Also of a file that has been removed: its FD is what counts. */
  *SetStat(request, { fd: id, ...changes }) {
    const fd = yield* request.control(id);
    if ((changes.mask & ~SETTABLE) !== 0) throw linuxerr.EPERM;
    return yield* request.writing(fd.node, () => fd.file.setStat(changes));
  },

  *FStatFS(request, { fd: id }) {
    const fd = yield* request.control(id);
    return yield* request.reading(fd.node, () => fd.file.statfs());
  },

  *ReadLinkAt(request, { fd: id }) {
    return yield* readingThere(request, id, function* ({ file, isSymlink }) {
      if (!isSymlink) throw linuxerr.EINVAL;
      return { target: yield* file.readlink() };
    });
  },

  *FGetXattr(request, { fd: id, bufSize, name }) {
    return yield* readingThere(request, id, function* ({ file }) {
      return { value: yield* file.getXattr(name, bufSize) };
    });
  },

  *FSetXattr(request, { fd: id, flags, name, value }) {
    yield* writingThere(request, id, ({ file }) => file.setXattr(name, value, flags));
    return {};
  },

  *FListXattr(request, { fd: id, size }) {
    return yield* readingThere(request, id, function* ({ file }) {
      return { names: yield* file.listXattr(size) };
    });
  },

  *FRemoveXattr(request, { fd: id, name }) {
    yield* writingThere(request, id, ({ file }) => file.removeXattr(name));
    return {};
  },
};
