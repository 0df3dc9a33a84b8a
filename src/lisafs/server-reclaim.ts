// What a client had open in a session that was lost, opened again in its new one.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { O_ACCMODE } from '../abi/fcntl.ts';
import { STATX_BTIME } from '../abi/stat.ts';
import type { Op } from '../lib/op.ts';
import { checkName, usingToRead, withRead } from '../served/locked.ts';
import { step } from '../served/names.ts';
import { NOT_OPEN } from './extensions.ts';
import { MESSAGES, type RequestOf, type ResponseOf } from './messages.ts';
import { PromisedFD } from './promised-fd.ts';
import { CLIENT_FD_MIN, INVALID_FD, type Statx } from './records.ts';
import { isPlainRead, open } from './server-data.ts';
import type { ControlFD } from './server-fds.ts';
import type { Handlers, Request } from './server-request.ts';

type Lost = RequestOf<'Reclaim'>['lost'][number];
type Reclaimed = ResponseOf<'Reclaim'>['reclaimed'][number];

const { sizeMin: RECLAIMED_BYTES } = MESSAGES.Reclaim.response.table.reclaimed.element;
/** Of the reply, beside them. */
const REPLY_BYTES = 8;

const NO_TIME = { sec: 0, nsec: 0 };
const NO_STATX: Statx = {
  mask: 0,
  blksize: 0,
  attributes: 0n,
  nlink: 0,
  uid: 0,
  gid: 0,
  mode: 0,
  ino: 0n,
  size: 0,
  blocks: 0,
  attributesMask: 0n,
  atime: NO_TIME,
  btime: NO_TIME,
  ctime: NO_TIME,
  mtime: NO_TIME,
  rdevMajor: 0,
  rdevMinor: 0,
  devMajor: 0,
  devMinor: 0,
};

function failed({ errno }: LinuxError): Reclaimed {
  return { errno, inode: { controlFD: INVALID_FD, statx: NO_STATX }, openFD: INVALID_FD };
}

/** A time of birth that either doesn't know says nothing. */
function isSame({ devMajor, devMinor, ino, btimeSec, btimeNsec }: Lost, statx: Statx): boolean {
  const isSameInode =
    statx.ino === ino && statx.devMajor === devMajor && statx.devMinor === devMinor;
  if (!isSameInode) return false;
  const isKnown = (btimeSec !== 0 || btimeNsec !== 0) && (statx.mask & STATX_BTIME) !== 0;
  return !isKnown || (statx.btime.sec === btimeSec && statx.btime.nsec === btimeNsec);
}

/** FDs at a time of what leads to a file, which have their places before anything else. */
const ON_THE_WAY = 3;

/**
 * Another control FD of the root. `id` is undefined for one that is only on the way.
 * Errors: those of pinning it; EMFILE.
 */
function* pinRoot(request: Request, id?: number): Op<ControlFD> {
  const { root, tree } = request.scope;
  return yield* withRoom(request, id, function* () {
    const pinned = yield* withRead(tree.root.opMu, () => root.pin(request.fds));
    tree.root.retain();
    return request.fds.addControl(tree.root, pinned, id);
  });
}

/** With room for one FD more, unless it has its place already. Errors: EMFILE. */
function* withRoom<T>({ fds }: Request, id: number | undefined, run: () => Op<T>): Op<T> {
  const count = id === INVALID_FD ? 1 : 0;
  fds.reserve(count);
  try {
    return yield* run();
  } finally {
    fds.unreserve(count);
  }
}

/** One step down. Errors: ENOENT; ESTALE if it isn't what was `lost`; EMFILE. */
function* walk(
  request: Request,
  directory: ControlFD,
  name: string,
  { lost, id }: { readonly lost?: Lost; readonly id?: number },
): Op<ControlFD> {
  return yield* withRoom(request, id, function* () {
    const found = yield* step(directory.node, directory.file, name);
    if (found === undefined) throw linuxerr.ENOENT;
    if (lost !== undefined && !isSame(lost, found.statx)) {
      request.fds.closeLater(found.file.close());
      throw linuxerr.ESTALE;
    }
    return request.fds.addControl(directory.node.hold(name), found, id);
  });
}

/** Errors: those of a walk. */
function* find(request: Request, root: ControlFD, lost: Lost, id: number): Op<ControlFD> {
  for (const name of lost.path) checkName(name);
  const lastName = lost.path.at(-1);
  if (lastName === undefined) {
    const statx = yield* withRead(request.scope.tree.root.opMu, () => root.file.stat());
    if (!isSame(lost, statx)) throw linuxerr.ESTALE;
    return yield* pinRoot(request, id);
  }
  let at = root;
  try {
    for (const name of lost.path.slice(0, -1)) {
      const above = at;
      at = yield* walk(request, above, name, {});
      if (above !== root) request.fds.close(above.id);
    }
    return yield* walk(request, at, lastName, { lost, id });
  } finally {
    if (at !== root) request.fds.close(at.id);
  }
}

/** Errors: those of finding and of opening it; EROFS. */
function* reclaim(request: Request, root: ControlFD, lost: Lost): Op<Reclaimed> {
  const { fd: id, openFlags } = lost;
  const isOpen = openFlags !== NOT_OPEN;
  const kept = id >= CLIENT_FD_MIN ? id : INVALID_FD;
  // What the file once lost is not lost again.
  const flags = openFlags & O_ACCMODE;
  if (isOpen && request.scope.isReadOnly && !isPlainRead(flags)) throw linuxerr.EROFS;
  const control = yield* find(request, root, lost, isOpen ? INVALID_FD : kept);
  try {
    const openFD = isOpen ? (yield* open(request, control, flags, kept)).id : INVALID_FD;
    const statx = yield* usingToRead(control, () => control.file.stat());
    return { errno: 0, inode: { controlFD: control.id, statx }, openFD };
  } catch (error) {
    request.fds.close(control.id);
    throw error;
  }
}

function* orError(op: Op<Reclaimed>): Op<Reclaimed> {
  try {
    return yield* op;
  } catch (error) {
    if (error instanceof LinuxError) return failed(error);
    throw error;
  }
}

/** Undefined if it isn't the client's own choice. Errors: EINVAL, EMFILE. */
function promise(
  { fds }: Request,
  { fd }: Lost,
  line: PromisedFD,
): (() => void) | LinuxError | undefined {
  if (fd < CLIENT_FD_MIN) return undefined;
  try {
    return fds.promiseKept(fd, line);
  } catch (error) {
    if (error instanceof LinuxError) return error;
    throw error;
  }
}

type Promised = ReturnType<typeof promise>;

/** The tree is held. */
function* reclaimAll(
  request: Request,
  lost: readonly Lost[],
  promises: readonly Promised[],
): Op<ResponseOf<'Reclaim'>> {
  const reclaimed: Reclaimed[] = [];
  const root = yield* pinRoot(request);
  try {
    for (const [index, each] of lost.entries()) {
      const promised = promises[index];
      if (promised instanceof LinuxError) reclaimed.push(failed(promised));
      else reclaimed.push(yield* orError(reclaim(request, root, each)));
    }
    return { reclaimed };
  } finally {
    request.fds.close(root.id);
  }
}

export const RECLAIM_HANDLERS: Handlers<'Reclaim'> = {
  *Reclaim(request, { lost }) {
    const bytes = REPLY_BYTES + lost.length * RECLAIMED_BYTES;
    if (bytes > request.scope.payloadMax) throw linuxerr.EIO;
    // At once, as more requests may follow that name them.
    request.reserve(ON_THE_WAY);
    const line = new PromisedFD();
    const promises = lost.map((each) => promise(request, each, line));
    try {
      return yield* withRead(request.scope.tree.renameMu, () =>
        reclaimAll(request, lost, promises),
      );
    } finally {
      for (const promised of promises) if (promised instanceof Function) promised();
    }
  },
};
