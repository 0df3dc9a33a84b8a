// LisafsRemote: a server's files by lisafs. Mirrors gVisor pkg/sentry/fsimpl/gofer/lisafs_inode.go.

import { errorFromErrno, type LinuxError, linuxerr } from '../../abi/errno.ts';
import { O_RDWR } from '../../abi/fcntl.ts';
import {
  devMajor,
  devMinor,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_PERMISSIONS,
  STATX_ATIME,
  STATX_GID,
  STATX_MODE,
  STATX_MTIME,
  STATX_SIZE,
  STATX_UID,
} from '../../abi/stat.ts';
import type { Op } from '../../lib/op.ts';
import type { LisafsClient } from '../../lisafs/client.ts';
import type { Reply } from '../../lisafs/client-request.ts';
import { LIST_ATTRIBUTES } from '../../lisafs/extensions.ts';
import type { RequestOf } from '../../lisafs/messages.ts';
import {
  type Inode,
  NO_ID,
  type Statx,
  WALK_COMPONENT_DOES_NOT_EXIST,
} from '../../lisafs/records.ts';
import { isDots } from '../shared/local-tree.ts';
import type { AttributeChange } from '../shared/upstream.ts';
import {
  type Found,
  type Made,
  type Making,
  type OpenedAndRead,
  type Pending,
  type Remote,
  type RemoteEntry,
  RemoteFd,
  type RemoteMove,
  type RemoteStatfs,
  type Walked,
} from './remote.ts';

/** Of a payload, what the fields of a read or a write take, generously. */
const FIELDS_BYTES = 4096;
const NO_TIME = { sec: 0, nsec: 0 };
const NO_DATA = new Uint8Array(0);

interface MadeFile {
  readonly made: Made;
  readonly pending: Pending<Statx>;
}

export class LisafsRemote implements Remote {
  readonly root: Found;
  readonly pipelines: boolean;
  readonly transferMax: number;
  readonly #client: LisafsClient;

  constructor(client: LisafsClient) {
    this.#client = client;
    const { fd, statx } = client.root;
    this.root = { fd: new RemoteFd(fd), statx };
    this.pipelines = client.supports('CreateWrite') && client.supports('MkdirAs');
    this.transferMax = Math.min(1 << 20, client.payloadMax - FIELDS_BYTES);
  }

  *walk(from: RemoteFd, names: readonly string[]): Op<Walked> {
    const { status, inodes } = yield* this.#client.call('Walk', () => ({
      dirFD: from.id,
      path: [...names],
    }));
    return {
      found: inodes.map(foundOf),
      isMissing: status === WALK_COMPONENT_DOES_NOT_EXIST,
    };
  }

  *walkStat(from: RemoteFd, names: readonly string[]): Op<readonly Statx[]> {
    const path = ['', ...names];
    return (yield* this.#client.call('WalkStat', () => ({ dirFD: from.id, path }))).stats;
  }

  *stat(fd: RemoteFd): Op<Statx> {
    return (yield* this.#client.call('FStat', () => ({ fd: fd.id }))).statx;
  }

  setAttributes(fd: RemoteFd, change: AttributeChange): Pending<void> {
    const { mode = 0, uid = NO_ID, gid = NO_ID, size = 0 } = change;
    const { atime = NO_TIME, mtime = NO_TIME } = change;
    const mask =
      (change.mode === undefined ? 0 : STATX_MODE) |
      (change.uid === undefined ? 0 : STATX_UID) |
      (change.gid === undefined ? 0 : STATX_GID) |
      (change.size === undefined ? 0 : STATX_SIZE) |
      (change.atime === undefined ? 0 : STATX_ATIME) |
      (change.mtime === undefined ? 0 : STATX_MTIME);
    const values = { mask, mode, uid, gid, size, atime, mtime };
    const reply = this.#client.send('SetStat', () => ({ fd: fd.id, ...values }));
    return mapped(reply, ({ failureMask, failureErrno }) => {
      if (failureMask !== 0) throw errorFromErrno(failureErrno);
    });
  }

  *readlink(fd: RemoteFd): Op<string> {
    return textOf((yield* this.#client.call('ReadLinkAt', () => ({ fd: fd.id }))).target);
  }

  *list(fd: RemoteFd): Op<readonly RemoteEntry[]> {
    if (!this.#client.supports('ListDir')) return yield* this.#listByGetdents(fd);
    const entries: RemoteEntry[] = [];
    for (let cookie = 0; ;) {
      const from = cookie;
      const listed = yield* this.#client.call('ListDir', () => ({
        dirFD: fd.id,
        cookie: from,
        maxBytes: this.transferMax,
        flags: LIST_ATTRIBUTES,
      }));
      for (const { name, type, inode } of listed.entries) {
        if (typeof name === 'string') entries.push({ name, type, statx: inode?.statx });
      }
      const last = listed.entries.at(-1);
      if (listed.isEnd || last === undefined) return entries;
      cookie = last.cookie;
    }
  }

  *#listByGetdents(fd: RemoteFd): Op<readonly RemoteEntry[]> {
    const opened = yield* this.open(fd, 0);
    const entries: RemoteEntry[] = [];
    try {
      for (;;) {
        const count = this.transferMax;
        const { dirents } = yield* this.#client.call('Getdents64', () => ({
          dirFD: opened.id,
          count,
        }));
        if (dirents.length === 0) return entries;
        for (const { name, type } of dirents) {
          if (typeof name !== 'string' || isDots(name)) continue;
          entries.push({ name, type, statx: undefined });
        }
      }
    } finally {
      this.close(opened);
    }
  }

  *statfs(fd: RemoteFd): Op<RemoteStatfs> {
    const found = yield* this.#client.call('FStatFS', () => ({ fd: fd.id }));
    const { blockSize, blocks, bfree, bavail, files, ffree, nameLen } = found;
    return {
      blockSize,
      blocks: Number(blocks),
      bfree: Number(bfree),
      bavail: Number(bavail),
      files: Number(files),
      ffree: Number(ffree),
      nameLen,
    };
  }

  *open(fd: RemoteFd, flags: number): Op<RemoteFd> {
    return new RemoteFd((yield* this.#client.call('OpenAt', () => ({ fd: fd.id, flags }))).openFD);
  }

  *openAndRead(fd: RemoteFd, flags: number, maxBytes: number): Op<OpenedAndRead> {
    if (!this.#client.supports('OpenReadAt')) {
      return { opened: yield* this.open(fd, flags), data: NO_DATA, isWhole: false };
    }
    const { openFD, data, isWhole } = yield* this.#client.call('OpenReadAt', () => ({
      fd: fd.id,
      flags,
      maxBytes,
    }));
    return { opened: new RemoteFd(openFD), data, isWhole };
  }

  *make(parent: RemoteFd, making: Making): Op<MadeFile> {
    switch (making.mode & S_IFMT) {
      case S_IFREG:
        return yield* this.#makeRegular(parent, making);
      case S_IFDIR:
        return yield* this.#makeDirectory(parent, making);
      default: {
        const found = foundOf(yield* this.#makeSpecial(parent, making));
        return { made: { fd: found.fd, opened: undefined }, pending: settled(found.statx) };
      }
    }
  }

  *#makeRegular(parent: RemoteFd, { name, ...making }: Making): Op<MadeFile> {
    const common = commonOf(making);
    if (!this.pipelines) {
      const { child, newFD } = yield* this.#client.call('OpenCreateAt', () => ({
        dirFD: parent.id,
        ...common,
        flags: O_RDWR,
        name,
      }));
      const { fd, statx } = foundOf(child);
      return { made: { fd, opened: new RemoteFd(newFD) }, pending: settled(statx) };
    }
    const clientFD = this.#client.nextFd();
    const clientOpenFD = this.#client.nextFd();
    const reply = this.#client.send('CreateWrite', () => ({
      dirFD: parent.id,
      ...common,
      flags: O_RDWR,
      clientFD,
      clientOpenFD,
      name,
      data: NO_DATA,
    }));
    const pending = mapped(reply, ({ child }) => child.statx);
    const fd = new RemoteFd(clientFD);
    return { made: { fd, opened: new RemoteFd(clientOpenFD) }, pending };
  }

  *#makeDirectory(parent: RemoteFd, { name, ...making }: Making): Op<MadeFile> {
    const common = commonOf(making);
    if (!this.pipelines) {
      const { childDir } = yield* this.#client.call('MkdirAt', () => ({
        dirFD: parent.id,
        ...common,
        name,
      }));
      const { fd, statx } = foundOf(childDir);
      return { made: { fd, opened: undefined }, pending: settled(statx) };
    }
    const clientFD = this.#client.nextFd();
    const reply = this.#client.send('MkdirAs', () => ({
      dirFD: parent.id,
      ...common,
      clientFD,
      name,
    }));
    const pending = mapped(reply, ({ childDir }) => childDir.statx);
    return { made: { fd: new RemoteFd(clientFD), opened: undefined }, pending };
  }

  *#makeSpecial(parent: RemoteFd, { name, ...making }: Making): Op<Inode> {
    const { mode, uid, gid, rdev, target } = making;
    if ((mode & S_IFMT) === S_IFLNK) {
      const values = { uid, gid, name, target };
      const made = this.#client.call('SymlinkAt', () => ({ dirFD: parent.id, ...values }));
      return (yield* made).symlink;
    }
    const device = { major: devMajor(rdev), minor: devMinor(rdev) };
    const made = this.#client.call('MknodAt', () => ({
      dirFD: parent.id,
      ...commonOf(making),
      mode,
      ...device,
      name,
    }));
    return (yield* made).child;
  }

  link(parent: RemoteFd, name: string, target: RemoteFd): Pending<void> {
    const reply = this.#client.send('LinkAt', () => ({
      dirFD: parent.id,
      targetFD: target.id,
      name,
    }));
    return mapped(reply, ({ link }) => {
      // It is the same file, which has a descriptor here.
      this.#client.closeFd(link.controlFD);
    });
  }

  unlink(parent: RemoteFd, name: string, flags: number): Pending<void> {
    return done(this.#client.send('UnlinkAt', () => ({ dirFD: parent.id, name, flags })));
  }

  rename({ oldParent, oldName, newParent, newName, flags }: RemoteMove): Pending<void> {
    const values = (): RequestOf<'RenameAt'> => ({
      oldDir: oldParent.id,
      newDir: newParent.id,
      oldName,
      newName,
    });
    if (flags === 0) return done(this.#client.send('RenameAt', values));
    if (!this.#client.supports('RenameAt2')) return failed(linuxerr.EINVAL);
    return done(this.#client.send('RenameAt2', () => ({ ...values(), flags })));
  }

  read(opened: RemoteFd, offset: number, count: number): Pending<Uint8Array> {
    const reply = this.#client.send('PRead', () => ({ fd: opened.id, offset, count }));
    return mapped(reply, ({ data }) => data);
  }

  write(opened: RemoteFd, offset: number, data: Uint8Array): Pending<number> {
    const reply = this.#client.send('PWrite', () => ({ fd: opened.id, offset, data }));
    return mapped(reply, ({ count }) => count);
  }

  sync(opened: readonly RemoteFd[]): Pending<void> {
    return done(this.#client.send('FSync', () => ({ fds: opened.map(({ id }) => id) })));
  }

  allocate(opened: RemoteFd, mode: number, offset: number, length: number): Pending<void> {
    const values = { mode, offset, length };
    return done(this.#client.send('FAllocate', () => ({ fd: opened.id, ...values })));
  }

  *getXattr(fd: RemoteFd, name: string): Op<Uint8Array> {
    const values = { bufSize: 0, name };
    return (yield* this.#client.call('FGetXattr', () => ({ fd: fd.id, ...values }))).value;
  }

  setXattr(fd: RemoteFd, name: string, value: Uint8Array, flags: number): Pending<void> {
    const values = { name, value, flags };
    return done(this.#client.send('FSetXattr', () => ({ fd: fd.id, ...values })));
  }

  *listXattr(fd: RemoteFd): Op<readonly string[]> {
    const listed = yield* this.#client.call('FListXattr', () => ({ fd: fd.id, size: 0 }));
    return listed.names.filter((name) => typeof name === 'string');
  }

  removeXattr(fd: RemoteFd, name: string): Pending<void> {
    return done(this.#client.send('FRemoveXattr', () => ({ fd: fd.id, name })));
  }

  close(fd: RemoteFd): void {
    this.#client.closeFd(fd.id);
  }

  release(): Op<void> {
    return this.#client.close();
  }
}

/** Errors: EILSEQ for what isn't UTF-8, and so has no name here. */
function textOf(text: string | Uint8Array): string {
  if (typeof text !== 'string') throw linuxerr.EILSEQ;
  return text;
}

function foundOf({ controlFD, statx }: Inode): Found {
  return { fd: new RemoteFd(controlFD), statx };
}

function commonOf({ mode, uid, gid }: Omit<Making, 'name'>): {
  mode: number;
  uid: number;
  gid: number;
} {
  return { mode: mode & S_PERMISSIONS, uid, gid };
}

/** A reply, as what is wanted of it. `map` may throw LinuxErrors. */
function mapped<From, To>(reply: Reply<From>, map: (value: From) => To): Pending<To> {
  let result: { error: LinuxError | undefined; value: To | undefined } | undefined;
  const listeners: ((error: LinuxError | undefined, value: To | undefined) => void)[] = [];
  reply.onSettled((error, value) => {
    result = { error, value: undefined };
    try {
      if (error === undefined) result.value = map(value as From);
    } catch (thrown) {
      result.error = thrown as LinuxError;
    }
    for (const listener of listeners.splice(0)) listener(result.error, result.value);
  });
  return {
    *wait() {
      yield* reply.wait();
      if (result?.error !== undefined) throw result.error;
      return result?.value as To;
    },
    onSettled(listener) {
      if (result === undefined) listeners.push(listener);
      else listener(result.error, result.value);
    },
  };
}

function done(reply: Reply<unknown>): Pending<void> {
  return mapped(reply, () => undefined);
}

function settled<T>(value: T): Pending<T> {
  return {
    *wait() {
      return value;
    },
    onSettled(listener) {
      listener(undefined, value);
    },
  };
}

function failed(error: LinuxError): Pending<never> {
  return {
    *wait() {
      throw error;
    },
    onSettled(listener) {
      listener(error, undefined);
    },
  };
}
