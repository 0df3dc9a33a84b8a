// What makes names, removes them and moves them.
// Mirrors gVisor pkg/p9/handlers.go (Tsymlink, …, Tunlinkat); 9P: remove(5).

import { linuxerr } from '../abi/errno.ts';
import { AT_REMOVEDIR } from '../abi/fcntl.ts';
import { S_IFMT, S_PERMISSIONS } from '../abi/stat.ts';
import type { Op } from '../lib/op.ts';
import { fileKeyOf } from '../served/file-index.ts';
import { checkName, checkThere } from '../served/locked.ts';
import { linkLocked, renameLocked, unlinkLocked } from '../served/names.ts';
import type { PinnedFile } from '../served/served-file.ts';
import type { RMessage, TMessage } from './messages.ts';
import { qidOf } from './server-attributes.ts';
import { HeldFile } from './server-fids.ts';
import type { Handlers, Request } from './server-request.ts';
import { holdRootLocked, walkLocked } from './server-walk.ts';

interface Place {
  readonly dfid: number;
  readonly name: string;
}

/** `make` runs with the directory held for writing. Errors: EBADF, ENOTDIR, EROFS, EINVAL. */
function* making(
  request: Request,
  { dfid, name }: Place,
  make: (directory: HeldFile) => Op<PinnedFile>,
): Op<RMessage<'mkdir'>> {
  const directory = request.directory(dfid);
  checkName(name);
  request.checkChange();
  return yield* request.writing(directory, function* () {
    checkThere(directory.node);
    const { file, statx } = yield* make(directory);
    request.tree.entryChanged(directory, name);
    // No fid is made of it.
    request.fids.closeLater(file.close());
    return { qid: qidOf(request, statx) };
  });
}

/** Whom it belongs to: the one who attached, unless the message says. */
function uidFor(request: Request, { dfid }: Place, uid: number | undefined): number {
  return uid ?? request.fid(dfid).uid;
}

function symlink(request: Request, values: TMessage<'symlink'>, uid?: number) {
  const owner = { uid: uidFor(request, values, uid), gid: values.gid };
  return making(request, values, ({ file }) => file.symlink(values.name, values.target, owner));
}

function mknod(request: Request, values: TMessage<'mknod'>, uid?: number) {
  const { name, mode, major, minor, gid } = values;
  const creation = {
    mode: mode & (S_IFMT | S_PERMISSIONS),
    uid: uidFor(request, values, uid),
    gid,
  };
  return making(request, values, ({ file }) => file.mknod(name, creation, { major, minor }));
}

function mkdir(request: Request, values: TMessage<'mkdir'>, uid?: number) {
  const { name, mode, gid } = values;
  const creation = { mode: mode & S_PERMISSIONS, uid: uidFor(request, values, uid), gid };
  return making(request, values, ({ file }) => file.mkdir(name, creation));
}

function* link(request: Request, target: HeldFile, place: Place): Op<void> {
  if (target.isDirectory) throw linuxerr.EPERM;
  yield* making(request, place, (directory) =>
    linkLocked(request.tree, target, directory, place.name),
  );
}

/**
 * Calls `run` with the directory that a fid's file is in, and its name there. Old messages ask for
 * it. The whole tree is held.
 *
 * Errors: ENOENT if it has been removed; EBUSY of the root; ESTALE if it isn't there any more.
 */
function* atItsNameLocked(
  request: Request,
  held: HeldFile,
  run: (directory: HeldFile, name: string) => Op<void>,
): Op<void> {
  const { path } = held.node;
  if (path === undefined) throw linuxerr.ENOENT;
  const name = path.at(-1);
  if (name === undefined) throw linuxerr.EBUSY;
  const root = yield* holdRootLocked(request);
  try {
    const { end } = yield* walkLocked(request, root, path.slice(0, -1));
    if (!(end instanceof HeldFile)) throw end;
    try {
      if (fileKeyOf(yield* end.file.statAt(name)) !== held.fileKey) throw linuxerr.ESTALE;
      yield* run(end, name);
    } finally {
      end.release();
    }
  } finally {
    root.release();
  }
}

type Names =
  | 'symlink'
  | 'usymlink'
  | 'mknod'
  | 'umknod'
  | 'mkdir'
  | 'umkdir'
  | 'link'
  | 'rename'
  | 'renameat'
  | 'unlinkat'
  | 'remove';

export const NAME_HANDLERS: Handlers<Names> = {
  symlink: (request, values) => symlink(request, values),
  usymlink: (request, { uid, ...values }) => symlink(request, values, uid),
  mknod: (request, values) => mknod(request, values),
  umknod: (request, { uid, ...values }) => mknod(request, values, uid),
  mkdir: (request, values) => mkdir(request, values),
  umkdir: (request, { uid, ...values }) => mkdir(request, values, uid),

  *link(request, { fid, ...place }) {
    yield* link(request, request.file(fid), place);
    return {};
  },

  *rename(request, { fid, dfid, name }) {
    const held = request.file(fid);
    const target = { directory: request.directory(dfid), name };
    checkName(name);
    request.checkChange();
    yield* request.alone(() =>
      atItsNameLocked(request, held, (directory, oldName) =>
        renameLocked(request.tree, { directory, name: oldName }, target, 0),
      ),
    );
    return {};
  },

  *renameat(request, { olddfid, oldname, newdfid, newname }) {
    const source = { directory: request.directory(olddfid), name: oldname };
    const target = { directory: request.directory(newdfid), name: newname };
    checkName(oldname);
    checkName(newname);
    request.checkChange();
    yield* request.alone(() => renameLocked(request.tree, source, target, 0));
    return {};
  },

  *unlinkat(request, { dfid, name, flags }) {
    const directory = request.directory(dfid);
    checkName(name);
    if ((flags & ~AT_REMOVEDIR) !== 0) throw linuxerr.EINVAL;
    request.checkChange();
    yield* request.writing(directory, function* () {
      checkThere(directory.node);
      yield* unlinkLocked(request.tree, directory, name, flags);
    });
    return {};
  },

  *remove(request, { fid }) {
    const held = request.file(fid);
    const flags = held.isDirectory ? AT_REMOVEDIR : 0;
    try {
      request.checkChange();
      yield* request.alone(() =>
        atItsNameLocked(request, held, (directory, name) =>
          unlinkLocked(request.tree, directory, name, flags),
        ),
      );
    } finally {
      request.fids.clunk(fid);
    }
    return {};
  },
};
