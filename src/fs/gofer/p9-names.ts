// P9Names: making, moving and removing names by 9P. Mirrors gVisor pkg/p9/client_file.go; Linux:
// fs/9p/vfs_inode_dotl.c.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { AT_REMOVEDIR, O_CREAT, O_EXCL, O_RDWR } from '../../abi/fcntl.ts';
import {
  devMajor,
  devMinor,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_PERMISSIONS,
} from '../../abi/stat.ts';
import { assertDefined } from '../../lib/assert.ts';
import { Mutex, type Op } from '../../lib/op.ts';
import type { P9Client } from '../../p9/client.ts';
import { NO_ID, SETATTR_GID, SETATTR_MODE, SETATTR_UID } from '../../p9/records.ts';
import type { FdRoom } from './fd-room.ts';
import { ASKED, fidOf, statxOf } from './p9-statx.ts';
import type { P9Walks } from './p9-walks.ts';
import { failed, started } from './pending.ts';
import { type Found, type Making, type Pending, type RemoteFd, type RemoteMove } from './remote.ts';

const NO_TIME = { sec: 0, nsec: 0 };

interface MadeFile {
  readonly found: Found;
  readonly opened: RemoteFd | undefined;
}

export class P9Names {
  /** Something was moved by a server whose fids may stand for paths. */
  hasMoved = false;
  readonly #client: P9Client;
  readonly #walks: P9Walks;
  /** Until the server has said otherwise. */
  #hasUnlinkat = true;
  #hasRenameat = true;
  /**
   * With a plain server, names change one after the other: what takes a walk first must not be
   * overtaken by what was asked for later.
   */
  readonly #mutex = new Mutex();

  readonly #room: FdRoom;

  constructor(client: P9Client, walks: P9Walks, room: FdRoom) {
    this.#client = client;
    this.#walks = walks;
    this.#room = room;
  }

  make(parent: number, making: Making): Op<MadeFile> {
    return this.#locked(this.#make(parent, making));
  }

  /** Errors: those of `call`. */
  link(call: Op<void>): Op<void> {
    return this.#locked(call);
  }

  *#make(parent: number, making: Making): Op<MadeFile> {
    const isRegular = (making.mode & S_IFMT) === S_IFREG;
    const opened = isRegular
      ? yield* this.#createRegular(parent, making)
      : yield* this.#room.ask([], () => this.#create(parent, making));
    try {
      const found = yield* this.#find(parent, making.name);
      return { found: yield* this.#own(found, making), opened };
    } catch (error) {
      if (opened !== undefined) this.#client.closeFid(opened.id);
      throw error;
    }
  }

  *#create(dfid: number, making: Making): Op<undefined> {
    const { name, uid, gid, rdev, target } = making;
    const hasUid = this.#client.supports('ucreate');
    const type = making.mode & S_IFMT;
    const mode = making.mode & S_PERMISSIONS;
    if (type === S_IFDIR) {
      const values = { dfid, name, mode, gid };
      if (hasUid) yield* this.#client.call('umkdir', { ...values, uid });
      else yield* this.#client.call('mkdir', values);
    } else if (type === S_IFLNK) {
      const values = { dfid, name, target, gid };
      if (hasUid) yield* this.#client.call('usymlink', { ...values, uid });
      else yield* this.#client.call('symlink', values);
    } else {
      const device = { major: devMajor(rdev), minor: devMinor(rdev) };
      const values = { dfid, name, mode: making.mode, ...device, gid };
      if (hasUid) yield* this.#client.call('umknod', { ...values, uid });
      else yield* this.#client.call('mknod', values);
    }
    return undefined;
  }

  *#createRegular(parent: number, { name, mode, uid, gid }: Making): Op<RemoteFd> {
    const fid = yield* this.#walks.clone(parent);
    const { version } = this.#client;
    // gVisor's servers never open what is there, and know no such flags.
    const flags = version > 0 ? O_RDWR : O_RDWR | O_CREAT | O_EXCL;
    const values = { fid, name, flags, mode: mode & S_PERMISSIONS, gid };
    try {
      const hasUid = this.#client.supports('ucreate');
      yield* this.#room.ask([], () => {
        if (hasUid) return this.#client.call('ucreate', { ...values, uid });
        return this.#client.call('lcreate', values);
      });
      return fidOf(fid);
    } catch (error) {
      this.#client.closeFid(fid);
      throw error;
    }
  }

  *#find(parent: number, name: string): Op<Found> {
    const { found } = yield* this.#walks.walk(parent, [name]);
    const [made] = found;
    if (made === undefined) throw linuxerr.ESTALE;
    return made;
  }

  /** Who has no message that says whose a file is to be made it the server's. */
  *#own(found: Found, { uid, gid, mode }: Making): Op<Found> {
    const { fd, statx } = found;
    if (this.#client.supports('ucreate')) return found;
    const isOwned = statx.uid === uid && statx.gid === gid;
    const isLink = (mode & S_IFMT) === S_IFLNK;
    const hasMode = isLink || (statx.mode & S_PERMISSIONS) === (mode & S_PERMISSIONS);
    if (isOwned && hasMode) return found;
    const nothing = { mode: 0, uid: NO_ID, gid: NO_ID, size: 0, atime: NO_TIME, mtime: NO_TIME };
    try {
      if (!isOwned) {
        const valid = SETATTR_UID | SETATTR_GID;
        yield* this.#client.call('setattr', { fid: fd.id, ...nothing, valid, uid, gid });
      }
      // Set-ID bits go with a new owner.
      if (!isLink) {
        const values = { ...nothing, valid: SETATTR_MODE, mode: mode & S_PERMISSIONS };
        yield* this.#client.call('setattr', { fid: fd.id, ...values });
      }
    } catch (error) {
      // A server that squashes owners says whose it is.
      if (error !== linuxerr.EPERM && error !== linuxerr.EINVAL) throw error;
    }
    const now = yield* this.#client.call('getattr', { fid: fd.id, requestMask: ASKED });
    return { fd, statx: statxOf(now.qid, now.valid, now.attr) };
  }

  unlink(parent: RemoteFd, name: string, flags: number): Pending<void> {
    return started(this.#locked(this.#unlink(parent, name, flags)));
  }

  *#unlink(parent: RemoteFd, name: string, flags: number): Op<void> {
    if (this.#hasUnlinkat) {
      try {
        yield* this.#client.call('unlinkat', { dfid: parent.id, name, flags });
        return;
      } catch (error) {
        if (!isUnknownMessage(error)) throw error;
        this.#hasUnlinkat = false;
      }
    }
    yield* this.#remove(parent, name, flags);
  }

  *#remove(parent: RemoteFd, name: string, flags: number): Op<void> {
    const { fd, statx } = yield* this.#findOld(parent, name);
    const isDir = (statx.mode & S_IFMT) === S_IFDIR;
    try {
      if (isDir && flags !== AT_REMOVEDIR) throw linuxerr.EISDIR;
      if (!isDir && flags === AT_REMOVEDIR) throw linuxerr.ENOTDIR;
      yield* this.#client.call('remove', { fid: fd.id });
    } finally {
      this.#client.closeFid(fd.id);
    }
  }

  *#findOld(parent: RemoteFd, name: string): Op<Found> {
    const { found } = yield* this.#walks.walk(parent.id, [name]);
    if (found.length === 0) throw linuxerr.ENOENT;
    return assertDefined(found[0]);
  }

  rename(move: RemoteMove): Pending<void> {
    return move.flags === 0 ? started(this.#locked(this.#rename(move))) : failed(linuxerr.EINVAL);
  }

  *#rename(move: RemoteMove): Op<void> {
    const { oldParent, oldName: oldname, newParent, newName: newname } = move;
    if (this.#hasRenameat) {
      const dirs = { olddfid: oldParent.id, newdfid: newParent.id };
      try {
        yield* this.#client.call('renameat', { ...dirs, oldname, newname });
        return;
      } catch (error) {
        if (!isUnknownMessage(error)) throw error;
        this.#hasRenameat = false;
      }
    }
    yield* this.#move(move);
  }

  *#move({ oldParent, oldName, newParent, newName: name }: RemoteMove): Op<void> {
    const { fd } = yield* this.#findOld(oldParent, oldName);
    try {
      yield* this.#client.call('rename', { fid: fd.id, dfid: newParent.id, name });
      this.hasMoved = true;
    } finally {
      this.#client.closeFid(fd.id);
    }
  }

  *#locked<T>(op: Op<T>): Op<T> {
    if (this.#client.version > 0) return yield* op;
    yield* this.#mutex.lock();
    try {
      return yield* op;
    } finally {
      this.#mutex.unlock();
    }
  }
}

/** What a server says to a message that it doesn't know, or doesn't serve. */
function isUnknownMessage(error: unknown): boolean {
  if (!(error instanceof LinuxError)) return false;
  return error === linuxerr.EOPNOTSUPP || error === linuxerr.ENOSYS || error === linuxerr.EPROTO;
}
