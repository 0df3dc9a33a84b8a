// Walks: from a directory down by names, one at a time, following nothing.
// Mirrors gVisor pkg/lisafs/handlers.go (WalkHandler, WalkStatHandler).

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { S_IFDIR, S_IFLNK } from '../abi/stat.ts';
import type { Op } from '../lib/op.ts';
import { checkName, usingToRead, withRead } from '../served/locked.ts';
import { step } from '../served/names.ts';
import type { RequestOf, ResponseOf } from './messages.ts';
import {
  type Inode,
  inode as inodeLayout,
  type Statx,
  statx as statxLayout,
  WALK_COMPONENT_DOES_NOT_EXIST,
  WALK_COMPONENT_SYMLINK,
  WALK_SUCCESS,
} from './records.ts';
import { readAtOpen } from './server-data.ts';
import type { ControlFD } from './server-fds.ts';
import type { Handlers, Request } from './server-request.ts';

/** Bytes a walk may answer with, for each name. Errors: EIO if that is too much. */
function checkAnswer({ scope }: Request, count: number, bytesEach: number): void {
  if (REPLY_BYTES + count * bytesEach > scope.payloadMax) throw linuxerr.EIO;
}

/** Beside what it tells of each name. */
const REPLY_BYTES = 32;

interface Walked {
  readonly status: number;
  readonly inodes: readonly Inode[];
  /** Where it ended. */
  readonly last: ControlFD;
}

/** If it fails, no FDs are left of it. */
function* walk(request: Request, start: ControlFD, path: readonly string[]): Op<Walked> {
  request.reserve(path.length);
  const inodes: Inode[] = [];
  let last = start;
  try {
    for (const name of path) {
      if (last.isSymlink) return { status: WALK_COMPONENT_SYMLINK, inodes, last };
      const found = yield* step(last.node, last.file, name);
      if (found === undefined) return { status: WALK_COMPONENT_DOES_NOT_EXIST, inodes, last };
      const inode = request.addControl(last.node, name, found);
      inodes.push(inode);
      last = yield* request.control(inode.controlFD);
    }
    return { status: WALK_SUCCESS, inodes, last };
  } catch (error) {
    for (const { controlFD } of inodes) request.fds.close(controlFD);
    throw error;
  }
}

/** Nothing is renamed during a walk, nor until `then` has ended. */
function* walkFrom<T>(
  request: Request,
  { dirFD, path }: RequestOf<'Walk'>,
  then: (walked: Walked) => Op<T>,
): Op<T> {
  checkAnswer(request, path.length, inodeLayout.sizeMin);
  for (const name of path) checkName(name);
  const start = yield* request.directory(dirFD);
  return yield* withRead(request.scope.tree.renameMu, function* () {
    return yield* then(yield* walk(request, start, path));
  });
}

/** What is there, down to where there is nothing or a symlink. FDs are not made. */
function* walkStat(request: Request, start: ControlFD, path: readonly string[]): Op<Statx[]> {
  const stats: Statx[] = [];
  let { node, file } = start;
  const leave = (): void => {
    if (file === start.file) return;
    node.release();
    request.fds.closeLater(file.close());
  };
  try {
    for (const name of path) {
      if (file.type === S_IFLNK) break;
      const found = yield* step(node, file, name);
      if (found === undefined) break;
      // Holds the one above it.
      const child = node.hold(name);
      leave();
      node = child;
      ({ file } = found);
      stats.push(found.statx);
    }
  } finally {
    leave();
  }
  return stats;
}

const NOT_OPENED = { openFD: 0, isWhole: false, data: new Uint8Array(0) };

export const WALK_HANDLERS: Handlers<'Mount' | 'Ping' | 'Walk' | 'WalkStat' | 'WalkOpenRead'> = {
  *Mount(request) {
    const { root, tree, payloadMax } = request.scope;
    return yield* request.reading({ node: tree.root }, function* () {
      request.reserve(1);
      const pinned = yield* root.pin(request.fds);
      const { statx } = pinned;
      tree.files.root = statx;
      tree.root.retain();
      const { id } = request.fds.addControl(tree.root, pinned);
      return {
        root: { controlFD: id, statx },
        maxMessageSize: payloadMax,
        supportedMIDs: root.mids,
      };
    });
  },

  *Ping() {
    return {};
  },

  *Walk(request, values) {
    return yield* walkFrom(request, values, function* ({ status, inodes }) {
      return { status, inodes };
    });
  },

  *WalkStat(request, { dirFD, path }) {
    checkAnswer(request, path.length, statxLayout.sizeMin);
    const withStart = path[0] === '';
    const names = withStart ? path.slice(1) : path;
    for (const name of names) checkName(name);
    const start = yield* request.control(dirFD);
    if (names.length > 0 && start.file.type !== S_IFDIR) throw linuxerr.ENOTDIR;
    return yield* withRead(request.scope.tree.renameMu, function* () {
      const first = withStart ? [yield* usingToRead(start, () => start.file.stat())] : [];
      return { stats: [...first, ...(yield* walkStat(request, start, names))] };
    });
  },

  *WalkOpenRead(request, { flags, maxBytes, ...values }): Op<ResponseOf<'WalkOpenRead'>> {
    const room = request.scope.payloadMax - REPLY_BYTES - values.path.length * inodeLayout.sizeMin;
    return yield* walkFrom(request, values, function* ({ status, inodes, last }) {
      const walked = { status, inodes, openErrno: 0, ...NOT_OPENED };
      if (status !== WALK_SUCCESS || last.isSymlink) return walked;
      try {
        const read = yield* readAtOpen(request, last, flags, Math.min(maxBytes, room));
        return { ...walked, openFD: read.openFD, isWhole: read.isWhole, data: read.data };
      } catch (error) {
        // The walk was made all the same.
        if (!(error instanceof LinuxError)) throw error;
        return { ...walked, openErrno: error.errno };
      }
    });
  },
};
