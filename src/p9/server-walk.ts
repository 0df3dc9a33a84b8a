// Fids: attach, walks, clunk. Mirrors gVisor pkg/p9/handlers.go (Tattach, Twalk, …); 9P: walk(5).
//
// A walk goes down by names, one at a time, and follows nothing. To clients of the standard "." is
// a name, too, and ".." leads up, but not beyond the root; gVisor's server refuses both.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import type { Op } from '../lib/op.ts';
import { checkName, withRead } from '../served/locked.ts';
import { step } from '../served/names.ts';
import type { Statx } from '../served/served-file.ts';
import { HEADER_SIZE } from './frame.ts';
import { MESSAGES } from './messages.ts';
import { NOFID, qid as qidLayout, WALK_NAMES_MAX } from './records.ts';
import { attrOf, qidOf, statOf, validOf } from './server-attributes.ts';
import { type Fid, HeldFile } from './server-fids.ts';
import type { Handlers, Request } from './server-request.ts';
import { setNewXattr } from './server-xattrs.ts';

export interface Walked {
  /** Of each name that was found. */
  readonly stats: readonly Statx[];
  /** Where it ended, for whoever calls to release; or why it didn't get there. */
  readonly end: HeldFile | LinuxError;
}

function orThrow({ end }: Walked): HeldFile {
  if (end instanceof LinuxError) throw end;
  return end;
}

interface Step {
  /** For whoever calls to release. */
  readonly held: HeldFile;
  readonly statx: Statx;
}

/** From a directory. Errors: ENOENT; those of the file. */
function* stepLocked(request: Request, at: HeldFile, name: string): Op<Step> {
  if (isDots(name)) {
    const held = name === '.' ? at.retain() : yield* holdAboveLocked(request, at);
    try {
      const statx = yield* withRead(held.node.opMu, () => held.file.stat());
      return { held: held.retain(), statx };
    } finally {
      held.release();
    }
  }
  const found = yield* step(at.node, at.file, name);
  if (found === undefined) throw linuxerr.ENOENT;
  return { held: new HeldFile(request.fids, at.node.hold(name), found), statx: found.statx };
}

function isDots(name: string): boolean {
  return name === '.' || name === '..';
}

/** The directory that another is in; of the root, itself. Errors: ENOENT. */
function* holdAboveLocked(request: Request, { node }: HeldFile): Op<HeldFile> {
  const { path } = node;
  if (path === undefined) throw linuxerr.ENOENT;
  const root = yield* holdRootLocked(request);
  try {
    return orThrow(yield* walkLocked(request, root, path.slice(0, -1)));
  } finally {
    root.release();
  }
}

/** The tree is held. */
export function* walkLocked(
  request: Request,
  start: HeldFile,
  names: readonly string[],
): Op<Walked> {
  const stats: Statx[] = [];
  let at = start.retain();
  try {
    for (const name of names) {
      if (!at.isDirectory) throw linuxerr.ENOTDIR;
      const next = yield* stepLocked(request, at, name);
      at.release();
      at = next.held;
      stats.push(next.statx);
    }
    return { stats, end: at };
  } catch (error) {
    at.release();
    if (error instanceof LinuxError) return { stats, end: error };
    throw error;
  }
}

function* walk(request: Request, start: HeldFile, names: readonly string[]): Op<Walked> {
  return yield* withRead(request.tree.renameMu, () => walkLocked(request, start, names));
}

/** For whoever calls to release. The tree is held. Errors: those of pinning it. */
export function* holdRootLocked(request: Request): Op<HeldFile> {
  const { root } = request.tree;
  const pinned = yield* withRead(root.opMu, () => request.scope.pinRoot());
  request.tree.files.root = pinned.statx;
  root.retain();
  return new HeldFile(request.fids, root, pinned);
}

/** Errors: EBUSY of a fid that is in use; EINVAL, ENAMETOOLONG, EMFILE, EIO. */
function checkWalk(
  { fids, scope }: Request,
  { number, use }: Fid,
  { newfid, names }: { readonly newfid: number; readonly names: readonly string[] },
): void {
  const isStandard = scope.version === 0;
  // diod's tools walk from directories that they have open.
  const mayWalk = use === undefined || (isStandard && use.kind === 'open' && newfid !== number);
  if (!mayWalk) throw linuxerr.EBUSY;
  if (newfid !== number) fids.checkNew(newfid);
  if (isStandard && names.length > WALK_NAMES_MAX) throw linuxerr.EINVAL;
  const replySize = MESSAGES.walkgetattr.R.sizeMin + names.length * qidLayout.sizeMin;
  if (HEADER_SIZE + replySize > scope.msize) throw linuxerr.EIO;
  for (const name of names) if (!isStandard || !isDots(name)) checkName(name);
}

/** The walk has come to its end. Errors: EMFILE. */
function put({ fids }: Request, { number, uid }: Fid, newfid: number, held: HeldFile): void {
  if (newfid === number) fids.replace({ number, held, uid });
  else fids.add({ number: newfid, held, uid });
}

type Names = 'auth' | 'attach' | 'walk' | 'walkgetattr' | 'multigetattr' | 'clunk';

export const WALK_HANDLERS: Handlers<Names> = {
  /** Nobody is asked for more than the transport has asked for. diod answers so, too. */
  *auth() {
    throw linuxerr.ENOENT;
  },

  *attach(request, { fid, afid, aname, nUname }) {
    if (afid !== NOFID) throw linuxerr.EINVAL;
    request.fids.checkNew(fid);
    const names = aname.split('/').filter((name) => name !== '');
    for (const name of names) checkName(name);
    const end = yield* withRead(request.tree.renameMu, function* () {
      const root = yield* holdRootLocked(request);
      try {
        return orThrow(yield* walkLocked(request, root, names));
      } finally {
        root.release();
      }
    });
    try {
      const statx = yield* statOf(request, end);
      request.fids.add({ number: fid, held: end.retain(), uid: nUname });
      return { qid: qidOf(request, statx) };
    } finally {
      end.release();
    }
  },

  *walk(request, values) {
    const fid = request.fid(values.fid);
    checkWalk(request, fid, values);
    const { stats, end } = yield* walk(request, fid.held, values.names);
    const isPartial = stats.length > 0 && request.scope.version === 0;
    if (!(end instanceof LinuxError)) put(request, fid, values.newfid, end);
    else if (!isPartial) throw end;
    return { qids: stats.map((statx) => qidOf(request, statx)) };
  },

  *walkgetattr(request, values) {
    const fid = request.fid(values.fid);
    checkWalk(request, fid, values);
    const walked = yield* walk(request, fid.held, values.names);
    const end = orThrow(walked);
    try {
      const statx = walked.stats.at(-1) ?? (yield* statOf(request, end));
      put(request, fid, values.newfid, end.retain());
      const qids = walked.stats.map((each) => qidOf(request, each));
      return { valid: validOf(statx), attr: attrOf(statx), qids };
    } finally {
      end.release();
    }
  },

  /** Down to where there is nothing, or a symlink. */
  *multigetattr(request, { fid, names }) {
    const { held } = request.fid(fid);
    const withStart = names[0] === '';
    const path = withStart ? names.slice(1) : names;
    for (const name of path) checkName(name);
    const { stats: sizes } = MESSAGES.multigetattr.R.table;
    const replySize = sizes.sizeMin + names.length * sizes.element.sizeMin;
    if (HEADER_SIZE + replySize > request.scope.msize) throw linuxerr.EIO;
    const first = withStart ? [yield* statOf(request, held)] : [];
    const { stats, end } = yield* walk(request, held, path);
    if (end instanceof HeldFile) end.release();
    else if (end !== linuxerr.ENOENT && end !== linuxerr.ENOTDIR) throw end;
    return {
      stats: [...first, ...stats].map((statx) => ({
        qid: qidOf(request, statx),
        valid: validOf(statx),
        attr: attrOf(statx),
      })),
    };
  },

  /** It is gone even if it fails. */
  *clunk(request, { fid: number }) {
    const { held, use } = request.fid(number);
    request.fids.clunk(number);
    if (use?.kind === 'new xattr') yield* setNewXattr(request, held, use);
    // Who asks for more once this is answered finds the room.
    request.end();
    yield* request.fids.untilClosed();
    return {};
  },
};
