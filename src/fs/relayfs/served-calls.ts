// ServedCalls: the calls of a client, made on the holder's filesystem. Their errors are those of
// the methods of Filesystem and FileDescription that they stand for, and ESTALE, EIO for handles
// and files that are not there any more.

import { linuxerr } from '../../abi/errno.ts';
import { O_SYNC, SEEK_CUR, SEEK_SET } from '../../abi/fcntl.ts';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
  type Stat,
  type Statfs,
} from '../../abi/stat.ts';
import { ROOT_CREDENTIALS } from '../../auth/credentials.ts';
import type { Op } from '../../lib/op.ts';
import type { Dentry, VirtualDentry } from '../../vfs/dentry.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type { ExportedFilesystem } from '../../vfs/exported.ts';
import { Mount } from '../../vfs/mount.ts';
import type { OpenOptions, SetStat, SetXattr } from '../../vfs/options.ts';
import type { SpliceTarget } from '../../vfs/splice-target.ts';
import {
  type AtPath,
  type CallArguments,
  type CallName,
  type CallResult,
  type Chain,
  DATA_SIZE_MAX,
  ENTRIES_MAX,
  type FileKind,
  type FoundParent,
  type OpenedFile,
  type PostArguments,
  type PostName,
  type WireCredentials,
  type WireEntry,
  type WireLockOwner,
  type WirePath,
  type WireRange,
  type WireRenameSource,
} from './messages.ts';
import { credentialsOf, decodeMountFlags, RelayedPath, Stopped } from './relayed-path.ts';
import type { ServedFile, ServedState } from './served-state.ts';
import type { ServedStatus } from './served-status.ts';

type Calls = {
  readonly [Name in CallName]: (...args: CallArguments<Name>) => Op<CallResult<Name>>;
};
type Posts = { readonly [Name in PostName]: (...args: PostArguments<Name>) => Op<void> };

/** The mounts that clients see the filesystem through: one for each set of flags. */
export class ServedMounts {
  readonly #filesystem: ExportedFilesystem;
  readonly #mounts = new Map<number, Mount>();

  constructor(filesystem: ExportedFilesystem) {
    this.#filesystem = filesystem;
  }

  get(bits: number): Mount {
    let mount = this.#mounts.get(bits);
    if (mount === undefined) {
      mount = this.#make(bits);
      this.#mounts.set(bits, mount);
    }
    return mount;
  }

  #make(bits: number): Mount {
    const filesystem = this.#filesystem;
    const flags = decodeMountFlags(bits);
    return new Mount({ id: 0, filesystem, root: filesystem.root, source: '', flags });
  }

  /** Another mount than any of the others: what lies in it is elsewhere. */
  get elsewhere(): VirtualDentry {
    return { mount: this.#make(0), dentry: this.#filesystem.root };
  }

  close(): void {
    for (const { root } of this.#mounts.values()) root.decRef();
    this.#mounts.clear();
  }
}

export class ServedCalls implements Calls, Posts {
  readonly #state: ServedState;
  readonly #mounts: ServedMounts;
  readonly #status: ServedStatus;

  constructor(state: ServedState, mounts: ServedMounts, status: ServedStatus) {
    this.#state = state;
    this.#mounts = mounts;
    this.#status = status;
  }

  get #fs(): ExportedFilesystem {
    return this.#state.filesystem;
  }

  // By path.

  *#at<T>(path: WirePath, run: (rp: RelayedPath) => Op<T>): Op<AtPath<T>> {
    const start = yield* this.#state.dentry(path.start);
    const { isMountPoint } = this.#state;
    const mount = this.#mounts.get(path.mount);
    const rp = new RelayedPath(path, { mount, start, isMountPoint });
    start.incRef();
    try {
      return { value: yield* run(rp) };
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      const { reason, at, target } = error;
      return { stop: { reason, consumed: rp.consumed, at: this.#state.chain(at), target } };
    } finally {
      start.decRef();
    }
  }

  #chainOf(dentry: Dentry): Chain {
    const chain = this.#state.chain(dentry);
    dentry.decRef();
    return chain;
  }

  access(at: WirePath, bits: number): Op<AtPath<void>> {
    return this.#at(at, (rp) => this.#fs.accessAt(rp, bits));
  }

  getDentry(at: WirePath): Op<AtPath<Chain>> {
    const run = function* (this: ServedCalls, rp: RelayedPath): Op<Chain> {
      return this.#chainOf(yield* this.#fs.getDentryAt(rp));
    }.bind(this);
    return this.#at(at, run);
  }

  getParent(at: WirePath): Op<AtPath<FoundParent>> {
    const run = function* (this: ServedCalls, rp: RelayedPath): Op<FoundParent> {
      const parent = yield* this.#fs.getParentDentryAt(rp);
      return { at: this.#chainOf(parent), consumed: rp.consumed };
    }.bind(this);
    return this.#at(at, run);
  }

  *link(at: WirePath, target: number | undefined): Op<AtPath<void>> {
    const dentry = target === undefined ? undefined : yield* this.#state.dentry(target);
    return yield* this.#at(at, (rp) => {
      const vd = dentry === undefined ? this.#mounts.elsewhere : { mount: rp.mount, dentry };
      return this.#fs.linkAt(rp, vd);
    });
  }

  mkdir(at: WirePath, options: CallArguments<'mkdir'>[1]): Op<AtPath<void>> {
    return this.#at(at, (rp) => this.#fs.mkdirAt(rp, options));
  }

  mknod(at: WirePath, options: CallArguments<'mknod'>[1]): Op<AtPath<void>> {
    return this.#at(at, (rp) => this.#fs.mknodAt(rp, options));
  }

  /** What O_SYNC asks for the client does itself, with a call of its own. */
  open(at: WirePath, id: number, options: OpenOptions): Op<AtPath<OpenedFile>> {
    const flags = options.flags & ~O_SYNC;
    const run = function* (this: ServedCalls, rp: RelayedPath): Op<OpenedFile> {
      const file = yield* this.#fs.openAt(rp, { ...options, flags });
      return this.#opened(id, file, yield* file.stat());
    }.bind(this);
    return this.#at(at, run);
  }

  #opened(id: number, file: FileDescription, { mode }: Stat): OpenedFile {
    const { kind, readiness } = this.#state.addFile(id, file, kindOf(mode));
    return { at: this.#state.chain(file.vd.dentry), kind, readiness };
  }

  getXattr(at: WirePath, name: string): Op<AtPath<Uint8Array>> {
    return this.#at(at, (rp) => this.#fs.getXattrAt(rp, name));
  }

  setXattr(at: WirePath, change: SetXattr): Op<AtPath<void>> {
    return this.#at(at, (rp) => this.#fs.setXattrAt(rp, change));
  }

  listXattr(at: WirePath): Op<AtPath<string[]>> {
    return this.#at(at, (rp) => this.#fs.listXattrAt(rp));
  }

  removeXattr(at: WirePath, name: string): Op<AtPath<void>> {
    return this.#at(at, (rp) => this.#fs.removeXattrAt(rp, name));
  }

  readlink(at: WirePath): Op<AtPath<string>> {
    return this.#at(at, (rp) => this.#fs.readlinkAt(rp));
  }

  *rename(at: WirePath, source: WireRenameSource, flags: number): Op<AtPath<void>> {
    const { parent, name, mustBeDir } = source;
    const dentry = parent === undefined ? undefined : yield* this.#state.dentry(parent);
    return yield* this.#at(at, (rp) => {
      const vd = dentry === undefined ? this.#mounts.elsewhere : { mount: rp.mount, dentry };
      return this.#fs.renameAt(rp, { parent: vd, name, mustBeDir }, { flags });
    });
  }

  rmdir(at: WirePath): Op<AtPath<void>> {
    return this.#at(at, (rp) => this.#fs.rmdirAt(rp));
  }

  setStat(at: WirePath, change: SetStat): Op<AtPath<void>> {
    return this.#at(at, (rp) => this.#fs.setStatAt(rp, change));
  }

  stat(at: WirePath): Op<AtPath<Stat>> {
    return this.#at(at, (rp) => this.#fs.statAt(rp));
  }

  statfsAt(at: WirePath): Op<AtPath<Statfs>> {
    return this.#at(at, (rp) => this.#fs.statfsAt(rp));
  }

  symlink(at: WirePath, target: string): Op<AtPath<void>> {
    return this.#at(at, (rp) => this.#fs.symlinkAt(rp, target));
  }

  unlink(at: WirePath): Op<AtPath<void>> {
    return this.#at(at, (rp) => this.#fs.unlinkAt(rp));
  }

  // On a dentry, or on the whole.

  *statDentry(handle: number): Op<Stat> {
    return yield* this.#fs.statDentry(yield* this.#state.dentry(handle));
  }

  statfs(): Op<Statfs> {
    return this.#fs.statfs();
  }

  sync(): Op<void> {
    return this.#fs.sync();
  }

  *told(): Op<void> {
    // Posts are done in the order of the messages, and so is this.
  }

  // On an open file.

  /** Runs something with a file, which may be closed meanwhile. */
  *#with<T>(id: number, run: (served: ServedFile) => Op<T>): Op<T> {
    const served = this.#state.file(id);
    served.file.incRef();
    try {
      return yield* run(served);
    } finally {
      served.file.decRef();
    }
  }

  /** The same for what takes two steps of the description. */
  *#exclusively<T>(id: number, run: (served: ServedFile) => Op<T>): Op<T> {
    return yield* this.#with(id, function* (served) {
      yield* served.mutex.lock();
      try {
        return yield* run(served);
      } finally {
        served.mutex.unlock();
      }
    });
  }

  pread(id: number, length: number, offset: number, isQuiet: boolean): Op<Uint8Array> {
    return this.#with(id, function* ({ file, kind }) {
      // No more memory than there is to be read; nothing at all would not count as an access.
      const size = kind === 'regular' ? (yield* file.stat()).size - offset : length;
      const buffer = new Uint8Array(Math.min(length, DATA_SIZE_MAX, Math.max(1, size)));
      const read = isQuiet ? file.readQuietly(buffer, offset) : file.pread(buffer, offset);
      return filled(buffer, yield* read);
    });
  }

  pwrite(id: number, bytes: Uint8Array, offset: number, isQuiet: boolean): Op<number> {
    return this.#with(id, ({ file }) =>
      isQuiet ? file.writeQuietly(bytes, offset) : file.pwrite(bytes, offset),
    );
  }

  append(id: number, bytes: Uint8Array, isQuiet: boolean): Op<CallResult<'append'>> {
    return this.#exclusively(id, function* ({ file }) {
      const count = yield* isQuiet ? file.writeQuietly(bytes, undefined) : file.write(bytes);
      // Before anything else can happen: nothing waits here.
      return { count, end: yield* file.seek(0, SEEK_CUR) };
    });
  }

  readStream(id: number, length: number, isQuiet: boolean): Op<Uint8Array> {
    return this.#with(id, function* ({ file }) {
      const buffer = new Uint8Array(Math.min(length, DATA_SIZE_MAX));
      const read = isQuiet ? file.readQuietly(buffer, undefined) : file.read(buffer);
      return filled(buffer, yield* read);
    });
  }

  writeStream(id: number, bytes: Uint8Array, isQuiet: boolean): Op<number> {
    return this.#with(id, ({ file }) =>
      isQuiet ? file.writeQuietly(bytes, undefined) : file.write(bytes),
    );
  }

  waitForRoom(id: number): Op<number> {
    return this.#with(id, ({ file }) => spliceTarget(file).waitForRoom());
  }

  splice(id: number, bytes: Uint8Array, offset: number): Op<number> {
    return this.#with(id, ({ file }) => spliceTarget(file).splice(bytes, offset));
  }

  seek(id: number, offset: number, whence: number): Op<number> {
    return this.#exclusively(id, ({ file }) => file.seek(offset, whence));
  }

  list(id: number, position: number, count: number): Op<WireEntry[]> {
    return this.#exclusively(id, function* ({ file }) {
      const entries: WireEntry[] = [];
      const limit = Math.min(count, ENTRIES_MAX);
      yield* file.seek(position, SEEK_SET);
      yield* file.iterDirents(({ name, ino, type, cookie }) => {
        if (entries.length >= limit) return false;
        entries.push({ name, ino, type, cookie });
        return true;
      });
      return entries;
    });
  }

  fstat(id: number): Op<Stat> {
    return this.#with(id, ({ file }) => file.stat());
  }

  fsetStat(id: number, change: SetStat, creds: WireCredentials): Op<void> {
    return this.#with(id, ({ file }) => file.setStat(change, credentialsOf(creds)));
  }

  allocate(id: number, mode: number, offset: number, length: number): Op<void> {
    return this.#with(id, ({ file }) => file.allocate(mode, offset, length));
  }

  fsync(id: number, dataOnly: boolean): Op<void> {
    return this.#with(id, ({ file }) => file.sync({ dataOnly }));
  }

  fgetXattr(id: number, name: string, creds: WireCredentials): Op<Uint8Array> {
    return this.#with(id, ({ file }) => file.getXattr(name, credentialsOf(creds)));
  }

  fsetXattr(id: number, change: SetXattr, creds: WireCredentials): Op<void> {
    return this.#with(id, ({ file }) => file.setXattr(change, credentialsOf(creds)));
  }

  flistXattr(id: number, creds: WireCredentials): Op<string[]> {
    return this.#with(id, ({ file }) => file.listXattr(credentialsOf(creds)));
  }

  fremoveXattr(id: number, name: string, creds: WireCredentials): Op<void> {
    return this.#with(id, ({ file }) => file.removeXattr(name, credentialsOf(creds)));
  }

  /** Whether the caller may set them the client has checked. */
  setFlags(id: number, flags: number): Op<void> {
    return this.#with(id, ({ file }) => file.setStatusFlags(flags, ROOT_CREDENTIALS));
  }

  readableBytes(id: number): Op<number> {
    return this.#with(id, ({ file }) => file.readableBytes());
  }

  flock(id: number, operation: number, mustNotWait: boolean): Op<void> {
    return this.#with(id, ({ file }) => file.flock(operation, { mustNotWait }));
  }

  setLock(id: number, owner: WireLockOwner, range: WireRange, mayWait: boolean): Op<void> {
    return this.#with(id, ({ file }) =>
      file.setRangeLock(this.#state.owner(owner, file), range, { mayWait }),
    );
  }

  getLock(id: number, owner: WireLockOwner, range: WireRange): Op<CallResult<'getLock'>> {
    return this.#with(
      id,
      function* (this: ServedCalls, { file }: ServedFile) {
        const found = yield* file.findRangeLock(this.#state.owner(owner, file), range);
        if (found === undefined) return undefined;
        const { type, start, end } = found;
        return { type, start, end, pid: found.owner.lockPid };
      }.bind(this),
    );
  }

  // What needs no reply.

  *closeFile(id: number): Op<void> {
    this.#state.closeFile(id);
  }

  *forget(mentions: PostArguments<'forget'>[0]): Op<void> {
    for (const [handle, count] of mentions) this.#state.forget(handle, count);
  }

  *countMount(handle: number, change: 1 | -1): Op<void> {
    this.#state.countMount(yield* this.#state.dentry(handle), change);
  }

  *watch(handle: number): Op<void> {
    this.#state.watch(yield* this.#state.dentry(handle));
  }

  *unwatch(ino: number): Op<void> {
    this.#state.unwatch(ino);
  }

  *notify(id: number, events: number): Op<void> {
    this.#state.file(id).file.notify(events);
  }

  *accessed(id: number): Op<void> {
    this.#state.file(id).file.accessed();
  }

  *releaseLocks(id: number, owner: number): Op<void> {
    this.#state.releaseLocks(this.#state.file(id).file, owner);
  }

  *askStatus(): Op<void> {
    this.#status.tell();
  }
}

function kindOf(mode: number): FileKind {
  const type = mode & S_IFMT;
  if (type === S_IFREG) return 'regular';
  if (type === S_IFDIR) return 'directory';
  return type === S_IFCHR || type === S_IFBLK ? 'device' : 'stream';
}

/** A view would be cloned with all that lies behind it. */
function filled(buffer: Uint8Array, count: number): Uint8Array {
  return count === buffer.length ? buffer : buffer.slice(0, count);
}

function spliceTarget({ spliceTarget: target }: FileDescription): SpliceTarget {
  if (target === undefined) throw linuxerr.EINVAL;
  return target;
}
