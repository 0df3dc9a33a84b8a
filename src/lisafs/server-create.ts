// What makes new names. Mirrors gVisor pkg/lisafs/handlers.go (OpenCreateAtHandler, …,
// LinkAtHandler).
//
// A file that was made and then could not be told the client about is the file's to undo; here, FDs
// have a place before anything is made.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { O_ACCMODE } from '../abi/fcntl.ts';
import { S_IFMT } from '../abi/stat.ts';
import type { Op } from '../lib/op.ts';
import { checkName, checkThere } from '../served/locked.ts';
import { linkLocked } from '../served/names.ts';
import type { Creation, OpenedFile, PinnedFile } from '../served/served-file.ts';
import { PromisedFD } from './promised-fd.ts';
import { type Inode, INVALID_FD } from './records.ts';
import type { ControlFD } from './server-fds.ts';
import type { Handlers, Request } from './server-request.ts';

const PERMISSIONS = 0o7777;

interface CreateCommon {
  readonly dirFD: number;
  readonly name: string;
}

/** `make` runs with the directory held for writing. Errors: EINVAL, EBADF, ENOTDIR, EMFILE. */
function* creating<T>(
  request: Request,
  { dirFD, name }: CreateCommon,
  make: (directory: ControlFD) => Op<T>,
  fdCount: number,
): Op<T> {
  checkName(name);
  const directory = yield* request.directory(dirFD);
  return yield* request.writing(directory, function* () {
    checkThere(directory.node);
    request.reserve(fdCount);
    return yield* make(directory);
  });
}

function* creatingOne(
  request: Request,
  common: CreateCommon,
  make: (directory: ControlFD) => Op<PinnedFile>,
  id = INVALID_FD,
): Op<Inode> {
  const run = function* (directory: ControlFD): Op<Inode> {
    request.useKept();
    const pinned = yield* make(directory);
    request.scope.tree.entryChanged(directory, common.name);
    return request.addControl(directory.node, common.name, pinned, id);
  };
  return yield* creating(request, common, run, id === INVALID_FD ? 1 : 0);
}

function creationOf(values: Creation, mask = PERMISSIONS): Creation {
  const { mode, uid, gid } = values;
  return { mode: mode & mask, uid, gid };
}

interface CreatedFile {
  readonly child: Inode;
  readonly openFD: number;
}

interface More {
  /** Its first bytes. */
  readonly data: Uint8Array;
  /** The FDs' ids; INVALID_FD for the server's choice. */
  readonly control: number;
  readonly open: number;
}

const NO_MORE: More = { data: new Uint8Array(0), control: INVALID_FD, open: INVALID_FD };

/** Nobody knows of the file before its data is written. */
function* createFile(
  request: Request,
  values: CreateCommon & Creation & { readonly flags: number },
  { data, control: controlId, open: openId }: More = NO_MORE,
): Op<CreatedFile> {
  const { fds } = request;
  const flags = values.flags & O_ACCMODE;
  const create = function* (directory: ControlFD): Op<CreatedFile> {
    const { node, file } = directory;
    request.useKept();
    const made = yield* file.create(values.name, creationOf(values), flags);
    let { statx } = made;
    try {
      yield* writeFully(made.opened, data);
      if (data.length > 0) statx = yield* made.file.stat();
    } catch (error) {
      fds.closeLater(made.opened.close());
      fds.closeLater(made.file.close());
      yield* orIgnored(file.unlink(values.name, 0));
      throw error;
    }
    request.scope.tree.entryChanged(directory, values.name);
    const pinned = { file: made.file, statx };
    const control = request.made(fds.addControl(node.hold(values.name), pinned, controlId));
    const openFD = fds.addOpen(control, made.opened, flags, openId).id;
    return { child: { controlFD: control.id, statx }, openFD };
  };
  const fdCount = [controlId, openId].filter((id) => id === INVALID_FD).length;
  return yield* creating(request, values, create, fdCount);
}

function* writeFully(opened: OpenedFile, data: Uint8Array): Op<void> {
  let written = 0;
  while (written < data.length) {
    const count = yield* opened.write(data.subarray(written), written);
    if (count === 0) throw linuxerr.EIO;
    written += count;
  }
}

/** Something else is told. */
function* orIgnored(op: Op<void>): Op<void> {
  try {
    yield* op;
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
  }
}

/**
 * Ids the client has chosen, which others may name before the file is there. Errors: EBADF if it is
 * to be made in itself.
 */
function* promising<T>(
  request: Request,
  ids: readonly number[],
  { dirFD }: CreateCommon,
  run: () => Op<T>,
): Op<T> {
  if (ids.includes(dirFD)) throw linuxerr.EBADF;
  const promised: (() => void)[] = [];
  try {
    const line = new PromisedFD();
    for (const id of ids) promised.push(request.fds.promise(id, line));
    request.takeKept(line.keptCount);
    return yield* run();
  } finally {
    for (const withdraw of promised) withdraw();
  }
}

type Names =
  | 'OpenCreateAt'
  | 'CreateWrite'
  | 'MkdirAt'
  | 'MkdirAs'
  | 'MknodAt'
  | 'SymlinkAt'
  | 'LinkAt'
  | 'Reserve';

export const CREATE_HANDLERS: Handlers<Names> = {
  *Reserve({ fds }, { total }) {
    return { total: fds.keepUpTo(total) };
  },

  *OpenCreateAt(request, values) {
    const { child, openFD } = yield* createFile(request, values);
    return { child, newFD: openFD };
  },

  *CreateWrite(request, { data, clientFD, clientOpenFD, ...values }) {
    const isLeftOpen = clientOpenFD !== INVALID_FD;
    const ids = [clientFD, clientOpenFD].filter((id) => id !== INVALID_FD);
    return yield* promising(request, ids, values, function* () {
      const { child, openFD } = yield* createFile(request, values, {
        data,
        control: clientFD,
        open: clientOpenFD,
      });
      if (!isLeftOpen) request.fds.close(openFD);
      return { child, openFD: isLeftOpen ? openFD : INVALID_FD };
    });
  },

  *MkdirAt(request, values) {
    const creation = creationOf(values);
    return {
      childDir: yield* creatingOne(request, values, ({ file }) =>
        file.mkdir(values.name, creation),
      ),
    };
  },

  *MkdirAs(request, { clientFD, ...values }) {
    const creation = creationOf(values);
    const mkdir = ({ file }: ControlFD): Op<PinnedFile> => file.mkdir(values.name, creation);
    const create = (): Op<Inode> => creatingOne(request, values, mkdir, clientFD);
    const ids = clientFD === INVALID_FD ? [] : [clientFD];
    return { childDir: yield* promising(request, ids, values, create) };
  },

  *MknodAt(request, { major, minor, ...values }) {
    const creation = creationOf(values, S_IFMT | PERMISSIONS);
    const mknod = ({ file }: ControlFD): Op<PinnedFile> =>
      file.mknod(values.name, creation, { major, minor });
    return { child: yield* creatingOne(request, values, mknod) };
  },

  *SymlinkAt(request, { target, uid, gid, ...common }) {
    const make = ({ file }: ControlFD): Op<PinnedFile> =>
      file.symlink(common.name, target, { uid, gid });
    return { symlink: yield* creatingOne(request, common, make) };
  },

  *LinkAt(request, { targetFD, ...common }) {
    checkName(common.name);
    // Before the lock of the directory: a target that isn't there yet is waited for.
    const { dirFD } = common;
    const find = (): Op<ControlFD> => request.control(targetFD);
    const directory = (): Op<ControlFD> => request.directory(dirFD);
    const [target] = yield* request.both(find, directory, [targetFD, dirFD]);
    if (target.isDirectory) throw linuxerr.EPERM;
    const { tree } = request.scope;
    const make = (directory: ControlFD): Op<PinnedFile> =>
      linkLocked(tree, target, directory, common.name);
    return { link: yield* creatingOne(request, common, make) };
  },
};
