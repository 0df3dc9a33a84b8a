// What makes new names. Mirrors gVisor pkg/lisafs/handlers.go (OpenCreateAtHandler, …,
// LinkAtHandler).
//
// A file that was made and then could not be told the client about is the file's to undo; here, FDs
// have a place before anything is made.

import { linuxerr } from '../abi/errno.ts';
import { S_IFMT } from '../abi/stat.ts';
import type { Op } from '../lib/op.ts';
import { type Inode, INVALID_FD } from './records.ts';
import type { Creation, PinnedFile } from './served-file.ts';
import type { ControlFD } from './server-fds.ts';
import { checkName, checkThere, type Handlers, type Request, withRead } from './server-request.ts';

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
): Op<T> {
  checkName(name);
  const directory = yield* request.directory(dirFD);
  return yield* request.writing(directory.node, function* () {
    checkThere(directory.node);
    request.fds.checkRoom(2);
    return yield* make(directory);
  });
}

function* creatingOne(
  request: Request,
  common: CreateCommon,
  make: (directory: ControlFD) => Op<PinnedFile>,
  id?: number,
): Op<Inode> {
  return yield* creating(request, common, function* (directory) {
    return request.addControl(directory.node, common.name, yield* make(directory), id);
  });
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

function* createFile(
  request: Request,
  values: CreateCommon & Creation & { readonly flags: number },
  { data, control: controlId, open: openId }: More = NO_MORE,
): Op<CreatedFile> {
  const { fds } = request;
  return yield* creating(request, values, function* ({ node, file }) {
    const { name, flags } = values;
    const made = yield* file.create(name, creationOf(values), flags);
    const child = request.addControl(node, name, made, controlId);
    const control = yield* request.control(child.controlFD);
    const openFD = fds.addOpen(control, made.opened, flags, openId).id;
    if (data.length === 0) return { child, openFD };
    try {
      let written = 0;
      while (written < data.length) {
        written += yield* made.opened.write(data.subarray(written), written);
      }
      return { child: { ...child, statx: yield* made.file.stat() }, openFD };
    } catch (error) {
      fds.close(openFD);
      fds.close(child.controlFD);
      yield* file.unlink(name, 0);
      node.remove(name);
      throw error;
    }
  });
}

/** Ids the client has chosen, which others may name before the file is there. */
function* promising<T>(request: Request, ids: readonly number[], run: () => Op<T>): Op<T> {
  const promised: number[] = [];
  try {
    for (const id of ids) {
      request.fds.promise(id);
      promised.push(id);
    }
    return yield* run();
  } finally {
    for (const id of promised) request.fds.unpromise(id);
  }
}

type Names =
  'OpenCreateAt' | 'CreateWrite' | 'MkdirAt' | 'MkdirAs' | 'MknodAt' | 'SymlinkAt' | 'LinkAt';

export const CREATE_HANDLERS: Handlers<Names> = {
  *OpenCreateAt(request, values) {
    const { child, openFD } = yield* createFile(request, values);
    return { child, newFD: openFD };
  },

  *CreateWrite(request, { data, clientFD, clientOpenFD, ...values }) {
    const isLeftOpen = clientOpenFD !== INVALID_FD;
    const ids = [clientFD, clientOpenFD].filter((id) => id !== INVALID_FD);
    return yield* promising(request, ids, function* () {
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
    return { childDir: yield* promising(request, ids, create) };
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
    const target = yield* request.control(targetFD);
    if (target.isDirectory) throw linuxerr.EPERM;
    const link = yield* creatingOne(request, common, ({ file }) =>
      withRead(target.node.opMu, function* () {
        checkThere(target.node);
        return yield* file.link(target.file, common.name);
      }),
    );
    return { link };
  },
};
