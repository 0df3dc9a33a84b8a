// Files by their fids: attributes, links' targets, the filesystem's counts.
// Mirrors gVisor pkg/p9/handlers.go (Tgetattr, Tsetattr, …); diod protocol.md.

import { errorFromErrno, linuxerr } from '../abi/errno.ts';
import { UTIME_NOW } from '../abi/fcntl.ts';
import {
  makeDev,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_PERMISSIONS,
  STATX_ATIME,
  STATX_BTIME,
  STATX_GID,
  STATX_MODE,
  STATX_MTIME,
  STATX_SIZE,
  STATX_UID,
} from '../abi/stat.ts';
import type { Op } from '../lib/op.ts';
import type { AttributeChanges, Statx } from '../served/served-file.ts';
import type { TMessage } from './messages.ts';
import {
  type Attr,
  GETATTR_BASIC,
  GETATTR_BTIME,
  type Qid,
  QTDIR,
  QTFILE,
  QTSYMLINK,
  SETATTR_ATIME,
  SETATTR_ATIME_SET,
  SETATTR_CTIME,
  SETATTR_GID,
  SETATTR_MODE,
  SETATTR_MTIME,
  SETATTR_MTIME_SET,
  SETATTR_SIZE,
  SETATTR_UID,
} from './records.ts';
import type { HeldFile } from './server-fids.ts';
import type { Handlers, Request } from './server-request.ts';

const U32 = 0xffff_ffff;
const NOW = { sec: 0, nsec: UTIME_NOW };

/** setattr's bits, and statx' for what they say. CTIME alone says nothing: it is set with any. */
const SETTABLE: readonly (readonly [bit: number, statx: number])[] = [
  [SETATTR_MODE, STATX_MODE],
  [SETATTR_UID, STATX_UID],
  [SETATTR_GID, STATX_GID],
  [SETATTR_SIZE, STATX_SIZE],
  [SETATTR_ATIME, STATX_ATIME],
  [SETATTR_MTIME, STATX_MTIME],
];
const SETATTR_ALL = SETTABLE.reduce(
  (all, [bit]) => all | bit,
  SETATTR_CTIME | SETATTR_ATIME_SET | SETATTR_MTIME_SET,
);

export function qidTypeOf(mode: number): number {
  const type = mode & S_IFMT;
  if (type === S_IFDIR) return QTDIR;
  return type === S_IFLNK ? QTSYMLINK : QTFILE;
}

export function qidOf({ scope }: Request, statx: Statx): Qid {
  const { mode } = statx;
  return { type: qidTypeOf(mode), version: versionOf(statx), path: scope.qidPaths.pathOf(statx) };
}

/** Another one when the file has changed. Clients that keep data compare it. */
function versionOf({ mtime, size }: Statx): number {
  return (Math.imul(mtime.sec, 31) ^ mtime.nsec ^ Math.imul(size & U32, 0x9e37_79b1)) >>> 0;
}

/** All there is, whatever was asked for: `valid` says what counts. */
export function attrOf(statx: Statx): Attr {
  const { mode, uid, gid, nlink, size, blksize, blocks, atime, mtime, ctime, btime } = statx;
  const rdev = makeDev(statx.rdevMajor, statx.rdevMinor);
  const times = { atime, mtime, ctime, btime };
  return { mode, uid, gid, nlink, rdev, size, blksize, blocks, ...times, gen: 0n, dataVersion: 0n };
}

/** GETATTR_ bits of what a file tells. */
export function validOf({ mask }: Statx): bigint {
  return BigInt(GETATTR_BASIC | ((mask & STATX_BTIME) === 0 ? 0 : GETATTR_BTIME));
}

/** The file may have been removed: its fid is what counts. */
export function* statOf(request: Request, held: HeldFile): Op<Statx> {
  return yield* request.reading(held, () => held.file.stat());
}

/** Errors: EINVAL for bits that there aren't. */
function changesOf(values: Omit<TMessage<'setattr'>, 'fid'>): AttributeChanges {
  const { valid, mode, uid, gid, size, atime, mtime } = values;
  if ((valid & ~SETATTR_ALL) !== 0) throw linuxerr.EINVAL;
  const mask = SETTABLE.reduce((bits, [bit, statx]) => bits | ((valid & bit) === 0 ? 0 : statx), 0);
  return {
    mask,
    mode: mode & S_PERMISSIONS,
    uid,
    gid,
    size,
    atime: (valid & SETATTR_ATIME_SET) === 0 ? NOW : atime,
    mtime: (valid & SETATTR_MTIME_SET) === 0 ? NOW : mtime,
  };
}

function* setattr(request: Request, { fid, ...values }: TMessage<'setattr'>): Op<void> {
  const held = request.file(fid);
  request.checkChange();
  const changes = changesOf(values);
  if (changes.mask === 0) return;
  const { failureErrno } = yield* request.writing(held, function* () {
    try {
      return yield* held.file.setStat(changes);
    } finally {
      if ((changes.mask & STATX_SIZE) !== 0) request.tree.written(held);
      else request.tree.attributesChanged(held);
    }
  });
  if (failureErrno !== 0) throw errorFromErrno(failureErrno);
}

type Names = 'getattr' | 'setattr' | 'setattrclunk' | 'statfs' | 'readlink';

export const ATTRIBUTE_HANDLERS: Handlers<Names> = {
  *getattr(request, { fid, requestMask }) {
    const statx = yield* statOf(request, request.file(fid));
    const valid = validOf(statx) & requestMask;
    return { valid, qid: qidOf(request, statx), attr: attrOf(statx) };
  },

  *setattr(request, values) {
    yield* setattr(request, values);
    return {};
  },

  *setattrclunk(request, values) {
    try {
      yield* setattr(request, values);
    } finally {
      request.fids.clunk(values.fid);
    }
    return {};
  },

  *statfs(request, { fid }) {
    const held = request.file(fid);
    const { type, blockSize, nameLen, ...counts } = yield* request.reading(held, () =>
      held.file.statfs(),
    );
    const numbers = { bsize: Math.min(blockSize, U32), namelen: Math.min(nameLen, U32) };
    return { type: type % (U32 + 1), ...numbers, ...counts, fsid: 0n };
  },

  *readlink(request, { fid }) {
    const held = request.file(fid);
    if (held.file.type !== S_IFLNK) throw linuxerr.EINVAL;
    return { target: yield* request.reading(held, () => held.file.readlink()) };
  },
};
