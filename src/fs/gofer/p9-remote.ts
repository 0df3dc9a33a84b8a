// P9Remote: a server's files by 9P2000.L. Mirrors gVisor pkg/sentry/fsimpl/gofer/p9file.go; Linux:
// fs/9p for what plain servers are asked.
//
// A plain server (diod, QEMU's) lacks gVisor's messages, and some of the protocol's. Its fids may
// stand for paths: a file that was moved is then looked for by the name it has here.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { O_RDONLY, O_TRUNC } from '../../abi/fcntl.ts';
import type { Op } from '../../lib/op.ts';
import { NO_ID, type Statx } from '../../lisafs/records.ts';
import type { P9Client } from '../../p9/client.ts';
import {
  SETATTR_ATIME,
  SETATTR_ATIME_SET,
  SETATTR_GID,
  SETATTR_MODE,
  SETATTR_MTIME,
  SETATTR_MTIME_SET,
  SETATTR_SIZE,
  SETATTR_UID,
} from '../../p9/records.ts';
import { OPEN_TRUNCATE_VERSION } from '../../p9/version.ts';
import type { MessageName, RMessage, TMessage } from '../../p9/messages.ts';
import { isDots } from '../shared/local-tree.ts';
import type { AttributeChange } from '../shared/upstream.ts';
import { FdRoom } from './fd-room.ts';
import { P9Locks } from './p9-locks.ts';
import { P9Names } from './p9-names.ts';
import { ASKED, direntTypeOf, fidOf, statxOf } from './p9-statx.ts';
import { P9Walks } from './p9-walks.ts';
import { P9Xattrs } from './p9-xattrs.ts';
import { done, failed, mapped, settled, started } from './pending.ts';
import {
  type Found,
  type Made,
  type Making,
  type OpenedAndRead,
  type Pending,
  type Remote,
  type RemoteEntry,
  type RemoteFd,
  type RemoteListing,
  type RemoteMove,
  type RemoteStatfs,
  type Walked,
} from './remote.ts';

const NO_TIME = { sec: 0, nsec: 0 };
const NO_DATA = new Uint8Array(0);

/** Names from the root, of what has a descriptor; undefined if it has none. */
export type NamesOf = (fd: RemoteFd) => readonly string[] | undefined;

export class P9Remote implements Remote {
  readonly root: Found;
  readonly room: FdRoom;
  readonly walkAndOpen = undefined;
  readonly locks: P9Locks;
  // What other clients do isn't told.
  readonly watches = undefined;
  readonly #client: P9Client;
  readonly #walks: P9Walks;
  readonly #names: P9Names;
  readonly #xattrs: P9Xattrs;
  /** Files that are open, by what pins them: unlinked ones can be asked about by these alone. */
  readonly #opened = new WeakMap<RemoteFd, RemoteFd>();
  readonly #lastKnown = new WeakMap<RemoteFd, Statx>();
  /** What files had before they were found again, and requests that are under way may name. */
  readonly #replaced = new WeakMap<RemoteFd, number[]>();
  #namesOf: NamesOf = () => undefined;
  #takesDatasync: boolean;

  /** `lockName`: nobody else's, for whoever else has locks. */
  constructor(client: P9Client, lockName: string) {
    this.#client = client;
    this.locks = new P9Locks(client, lockName);
    const { fid, qid, valid, attr } = client.root;
    this.root = { fd: fidOf(fid), statx: statxOf(qid, valid, attr) };
    this.room = new FdRoom(() => client.clunkNow());
    this.#walks = new P9Walks(client, this.room);
    this.#names = new P9Names(client, this.#walks, this.room);
    this.#xattrs = new P9Xattrs(client, this.#walks, this.room);
    // gVisor's servers have no such word.
    this.#takesDatasync = client.version === 0;
  }

  get transferMax(): number {
    return this.#client.payloadMax;
  }

  /** Tells where files are found again that a server knows by another path. */
  findsBy(namesOf: NamesOf): void {
    this.#namesOf = namesOf;
  }

  walk(from: RemoteFd, names: readonly string[]): Op<Walked> {
    return this.#using(from, this.#walk(from, names));
  }

  *#walk(from: RemoteFd, names: readonly string[]): Op<Walked> {
    const walked = yield* this.#again(() => this.#walks.walk(from.id, names));
    const isLost = walked.found.length === 0 && this.#names.hasMoved;
    // Perhaps it is the directory that isn't where it was.
    if (!isLost || !(yield* this.#findAgain(from))) return walked;
    return yield* this.#again(() => this.#walks.walk(from.id, names));
  }

  *walkStat(from: RemoteFd, names: readonly string[]): Op<readonly Statx[]> {
    if (this.#client.supports('multigetattr')) {
      const asked = { fid: from.id, names: ['', ...names] };
      // The server needs descriptors on the way.
      const ask = (): Op<RMessage<'multigetattr'>> => this.#client.call('multigetattr', asked);
      const { stats } = yield* this.room.ask([from], ask);
      return stats.map(({ qid, valid, attr }) => statxOf(qid, valid, attr));
    }
    const own = yield* this.stat(from);
    if (names.length === 0) return [own];
    const { found } = yield* this.walk(from, names);
    for (const { fd } of found) this.close(fd);
    return [own, ...found.map(({ statx }) => statx)];
  }

  /** Servers that look at a path don't find what has none: it is asked about by what is open. */
  *stat(fd: RemoteFd): Op<Statx> {
    const opened = this.#openedOf(fd);
    try {
      return yield* this.#at(fd, () => this.#getattr(fd));
    } catch (error) {
      if (!isLostError(error) || this.#client.version > 0) throw error;
    }
    try {
      if (opened !== undefined) return yield* this.#getattr(opened);
    } catch (error) {
      if (!isLostError(error)) throw error;
    }
    const last = this.#lastKnown.get(fd);
    if (last === undefined) throw linuxerr.ESTALE;
    return { ...last, nlink: 0 };
  }

  #openedOf(fd: RemoteFd): RemoteFd | undefined {
    const opened = this.#opened.get(fd);
    // The number of one that is closed may be another file's.
    return opened?.isClosed === false ? opened : undefined;
  }

  /**
   * Sends what is said as it is sent. A file that was lost has no number, which is an answer like
   * any other: ESTALE.
   */
  #send<Name extends MessageName>(
    name: Name,
    asked: () => TMessage<Name>,
  ): Pending<RMessage<Name>> {
    try {
      return this.#client.send(name, asked());
    } catch (error) {
      if (error instanceof LinuxError) return failed(error);
      throw error;
    }
  }

  *#getattr(fd: RemoteFd): Op<Statx> {
    const found = yield* this.#client.call('getattr', { fid: fd.id, requestMask: ASKED });
    const path = this.#client.pathOf(fd.id);
    // Its name is another file's.
    if (path !== undefined && path !== found.qid.path) throw linuxerr.ESTALE;
    const statx = statxOf(found.qid, found.valid, found.attr);
    this.#lastKnown.set(fd, statx);
    return statx;
  }

  setAttributes(fd: RemoteFd, change: AttributeChange): Pending<void> {
    const opened = this.#openedOf(fd);
    const first = this.#send('setattr', () => setattrOf(fd.id, change));
    if (this.#client.version > 0) return done(first);
    return started(this.#using(fd, this.#settingAttributes(fd, { first, opened, change })));
  }

  *#settingAttributes(fd: RemoteFd, { first, opened, change }: Setting): Op<void> {
    try {
      yield* first.wait();
      return;
    } catch (error) {
      if (!isLostError(error)) throw error;
      const isFound = yield* this.#findAgain(fd);
      if (!isFound && opened === undefined) throw error;
      const { id } = isFound || opened === undefined ? fd : opened;
      yield* this.#client.call('setattr', setattrOf(id, change));
    }
  }

  *readlink(fd: RemoteFd): Op<string> {
    const call = (): Op<{ readonly target: string | Uint8Array }> =>
      this.#client.call('readlink', { fid: fd.id });
    const { target } = yield* this.#at(fd, call);
    if (typeof target !== 'string') throw linuxerr.EILSEQ;
    return target;
  }

  *list(fd: RemoteFd): Op<RemoteListing> {
    return yield* this.#again(() => this.#at(fd, () => this.#list(fd)));
  }

  *#list(fd: RemoteFd): Op<RemoteListing> {
    const entries: RemoteEntry[] = [];
    let isWhole = true;
    const fid = yield* this.#walks.clone(fd.id);
    try {
      yield* this.#lopen(fid, O_RDONLY);
      for (let offset = 0n; ;) {
        const from = offset;
        const count = this.transferMax;
        const page = yield* this.#client.call('readdir', { fid, offset: from, count });
        for (const entry of page.entries) {
          const { name } = entry;
          if (typeof name !== 'string') isWhole = false;
          else if (!isDots(name)) {
            const type = direntTypeOf(entry, this.#client.version);
            entries.push({ name, type, statx: undefined, fd: undefined });
          }
        }
        const last = page.entries.at(-1);
        if (last === undefined) return { entries, isWhole };
        offset = last.offset;
      }
    } finally {
      this.#client.closeFid(fid);
    }
  }

  *statfs(fd: RemoteFd): Op<RemoteStatfs> {
    const found = yield* this.#client.call('statfs', { fid: fd.id });
    const { bsize, blocks, bfree, bavail, files, ffree, namelen } = found;
    return {
      blockSize: bsize,
      blocks: Number(blocks),
      bfree: Number(bfree),
      bavail: Number(bavail),
      files: Number(files),
      ffree: Number(ffree),
      nameLen: namelen,
    };
  }

  *open(fd: RemoteFd, flags: number): Op<RemoteFd> {
    return yield* this.#again(() => this.#at(fd, () => this.#open(fd, flags)));
  }

  *#open(fd: RemoteFd, flags: number): Op<RemoteFd> {
    const { version } = this.#client;
    const truncates = (flags & O_TRUNC) !== 0;
    const isApart = truncates && version > 0 && version < OPEN_TRUNCATE_VERSION;
    const fid = yield* this.#walks.clone(fd.id);
    try {
      yield* this.#lopen(fid, isApart ? flags & ~O_TRUNC : flags);
      if (isApart) yield* this.#client.call('setattr', setattrOf(fid, { size: 0 }));
    } catch (error) {
      this.#client.closeFid(fid);
      throw error;
    }
    const opened = fidOf(fid);
    this.#opened.set(fd, opened);
    return opened;
  }

  #lopen(fid: number, flags: number): Op<unknown> {
    return this.room.ask([], () => this.#client.call('lopen', { fid, flags }));
  }

  *openAndRead(fd: RemoteFd, flags: number): Op<OpenedAndRead> {
    return { opened: yield* this.open(fd, flags), data: NO_DATA, isWhole: false };
  }

  /** What is made has no FD before the server has answered. */
  mayGoOn(): boolean {
    return false;
  }

  giveUpReserve(): number {
    return 0;
  }

  *make(parent: RemoteFd, making: Making): Op<{ made: Made; pending: Pending<Statx> }> {
    const { found, opened } = yield* this.#at(parent, () => this.#names.make(parent.id, making));
    const { fd, statx } = found;
    if (opened !== undefined) this.#opened.set(fd, opened);
    this.#lastKnown.set(fd, statx);
    return { made: { fd, opened }, pending: settled(statx) };
  }

  link(parent: RemoteFd, name: string, target: RemoteFd): Pending<void> {
    return started(this.#names.link(this.#link(parent, name, target)));
  }

  *#link(parent: RemoteFd, name: string, target: RemoteFd): Op<void> {
    const call = (): Op<unknown> => {
      const link = { dfid: parent.id, fid: target.id, name };
      return this.room.ask([], () => this.#client.call('link', link));
    };
    yield* this.#at(parent, () => this.#at(target, call));
  }

  unlink(parent: RemoteFd, name: string, flags: number): Pending<void> {
    return this.#names.unlink(parent, name, flags);
  }

  rename(move: RemoteMove): Pending<void> {
    return this.#names.rename(move);
  }

  read(opened: RemoteFd, offset: number, count: number): Pending<Uint8Array> {
    const reply = this.#send('read', () => ({ fid: opened.id, offset, count }));
    return mapped(reply, ({ data }) => data);
  }

  write(opened: RemoteFd, offset: number, data: Uint8Array): Pending<number> {
    const reply = this.#send('write', () => ({ fid: opened.id, offset, data }));
    return mapped(reply, ({ count }) => count);
  }

  sync(opened: readonly RemoteFd[]): Pending<void> {
    const replies = opened.map((each) => this.#sendSync(each));
    return started(this.#syncing(opened, replies));
  }

  /** Of a directory, which is opened for it. */
  syncDirectory(fd: RemoteFd): Pending<void> {
    const ask = (): Op<void> => this.room.ask([], () => this.#syncDirectory(fd));
    return started(this.#again(() => this.#at(fd, ask)));
  }

  trySyncDirectory(fd: RemoteFd): Pending<void> {
    return started(this.#again(() => this.#using(fd, this.#syncDirectory(fd))));
  }

  *#syncDirectory(fd: RemoteFd): Op<void> {
    const opened = fidOf(yield* this.#walks.tryClone(fd.id));
    try {
      yield* this.#client.call('lopen', { fid: opened.id, flags: O_RDONLY });
      yield* this.#syncing([opened], [this.#sendSync(opened)]);
    } finally {
      this.close(opened);
    }
  }

  #sendSync(opened: RemoteFd): Pending<unknown> {
    const datasync = this.#takesDatasync ? 0 : undefined;
    return this.#send('fsync', () => ({ fid: opened.id, datasync }));
  }

  *#syncing(opened: readonly RemoteFd[], replies: readonly Pending<unknown>[]): Op<void> {
    for (const [index, reply] of replies.entries()) {
      try {
        yield* reply.wait();
      } catch (error) {
        // A server of an older definition finds that the message is too long.
        const isMisread = error === linuxerr.EPROTO || error === linuxerr.EINVAL;
        const fid = opened[index]?.id;
        if (!isMisread || !this.#takesDatasync || fid === undefined) throw error;
        yield* this.#client.call('fsync', { fid, datasync: undefined });
        this.#takesDatasync = false;
      }
    }
  }

  allocate(opened: RemoteFd, mode: number, offset: number, length: number): Pending<void> {
    return started(this.#allocate(opened, { mode, offset, length }));
  }

  *#allocate(opened: RemoteFd, range: Omit<TMessage<'allocate'>, 'fid'>): Op<void> {
    if (!this.#client.supports('allocate')) throw linuxerr.EOPNOTSUPP;
    yield* this.#client.call('allocate', { fid: opened.id, ...range });
  }

  *getXattr(fd: RemoteFd, name: string): Op<Uint8Array> {
    return yield* this.#again(() => this.#at(fd, () => this.#xattrs.get(fd.id, name)));
  }

  setXattr(fd: RemoteFd, name: string, value: Uint8Array, flags: number): Pending<void> {
    const copy = value.slice();
    const set = (): Op<void> => this.#xattrs.set(fd.id, { name, value: copy, flags });
    return started(this.#at(fd, set));
  }

  *listXattr(fd: RemoteFd): Op<readonly string[]> {
    return yield* this.#again(() => this.#at(fd, () => this.#xattrs.list(fd.id)));
  }

  removeXattr(fd: RemoteFd, name: string): Pending<void> {
    return started(this.#at(fd, () => this.#xattrs.remove(fd.id, name)));
  }

  close(fd: RemoteFd): void {
    if (fd.isClosed) return;
    fd.isClosed = true;
    this.#client.closeFid(fd.id);
  }

  release(): Op<void> {
    return this.#client.close();
  }

  /** What takes several requests and changes nothing begins anew if the link broke in between. */
  *#again<T>(op: () => Op<T>): Op<T> {
    for (;;) {
      const { sessionCount } = this.#client;
      try {
        return yield* op();
      } catch (error) {
        if (error !== linuxerr.EIO || sessionCount === this.#client.sessionCount) throw error;
      }
    }
  }

  /** Does it once more if the server has lost sight of the file, and it can be found by name. */
  #at<T>(fd: RemoteFd, op: () => Op<T>): Op<T> {
    return this.#using(fd, this.#atSame(fd, op));
  }

  *#atSame<T>(fd: RemoteFd, op: () => Op<T>): Op<T> {
    try {
      return yield* op();
    } catch (error) {
      if (!isLostError(error) || !(yield* this.#findAgain(fd))) throw error;
    }
    return yield* op();
  }

  *#findAgain(fd: RemoteFd): Op<boolean> {
    if (this.#client.version > 0 || !this.#names.hasMoved) return false;
    const names = this.#namesOf(fd);
    const path = this.#client.pathOf(fd.id);
    if (names === undefined || names.length === 0 || path === undefined) return false;
    const fid = yield* this.#walks.findAgain(this.root.fd.id, names, path);
    if (fid === undefined) return false;
    this.#replaced.set(fd, [...(this.#replaced.get(fd) ?? []), fd.id]);
    fd.renew(fid);
    return true;
  }

  /** Several requests name it: meanwhile its number must not become another file's. */
  *#using<T>(fd: RemoteFd, op: Op<T>): Op<T> {
    fd.useCount++;
    try {
      return yield* op;
    } finally {
      if (--fd.useCount === 0) this.#closeReplaced(fd);
    }
  }

  #closeReplaced(fd: RemoteFd): void {
    for (const id of this.#replaced.get(fd) ?? []) this.#client.closeFid(id);
    this.#replaced.delete(fd);
  }
}

interface Setting {
  readonly first: Pending<unknown>;
  readonly opened: RemoteFd | undefined;
  readonly change: AttributeChange;
}

function isLostError(error: unknown): boolean {
  return error instanceof LinuxError && (error === linuxerr.ENOENT || error === linuxerr.ESTALE);
}

function setattrOf(fid: number, change: AttributeChange): TMessage<'setattr'> {
  const { mode = 0, uid = NO_ID, gid = NO_ID, size = 0 } = change;
  const { atime = NO_TIME, mtime = NO_TIME } = change;
  const valid =
    (change.mode === undefined ? 0 : SETATTR_MODE) |
    (change.uid === undefined ? 0 : SETATTR_UID) |
    (change.gid === undefined ? 0 : SETATTR_GID) |
    (change.size === undefined ? 0 : SETATTR_SIZE) |
    (change.atime === undefined ? 0 : SETATTR_ATIME | SETATTR_ATIME_SET) |
    (change.mtime === undefined ? 0 : SETATTR_MTIME | SETATTR_MTIME_SET);
  return { fid, valid, mode, uid, gid, size, atime, mtime };
}
