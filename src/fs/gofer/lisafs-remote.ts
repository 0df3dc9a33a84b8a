// LisafsRemote: a server's files by lisafs. Mirrors gVisor pkg/sentry/fsimpl/gofer/lisafs_inode.go.

import { errorFromErrno, linuxerr } from '../../abi/errno.ts';
import { O_RDONLY } from '../../abi/fcntl.ts';
import {
  S_IFDIR,
  S_IFMT,
  STATX_ATIME,
  STATX_GID,
  STATX_MODE,
  STATX_MTIME,
  STATX_SIZE,
  STATX_UID,
} from '../../abi/stat.ts';
import type { Op } from '../../lib/op.ts';
import type { LisafsClient } from '../../lisafs/client.ts';
import type { SendOptions } from '../../lisafs/client-request.ts';
import { LIST_ATTRIBUTES, LIST_CONTROL_FDS } from '../../lisafs/extensions.ts';
import type { RequestOf, ResponseOf } from '../../lisafs/messages.ts';
import {
  type Inode,
  INVALID_FD,
  NO_ID,
  type Statx,
  WALK_COMPONENT_DOES_NOT_EXIST,
} from '../../lisafs/records.ts';
import { isDots } from '../shared/local-tree.ts';
import type { AttributeChange } from '../shared/upstream.ts';
import { FdRoom } from './fd-room.ts';
import { LisafsLocks } from './lisafs-locks.ts';
import { LisafsMaking } from './lisafs-making.ts';
import { LisafsWatches } from './lisafs-watches.ts';
import { done, failed, followed, mapped, taken } from './pending.ts';
import {
  type Found,
  type Made,
  type Making,
  type OpenedAndRead,
  type Pending,
  type Remote,
  type RemoteEntry,
  RemoteFd,
  type RemoteListing,
  type RemoteLocks,
  type RemoteMove,
  type RemoteStatfs,
  type RemoteWatches,
  type Walked,
  type WalkedAndOpened,
} from './remote.ts';

/** Of a payload, what the fields of a read or a write take, generously. */
const FIELDS_BYTES = 4096;
/** Of a directory, so much is asked for at first: a server keeps room for all of it. */
const FIRST_LIST_BYTES = 64 << 10;
const NO_TIME = { sec: 0, nsec: 0 };
const NO_DATA = new Uint8Array(0);

export class LisafsRemote implements Remote {
  readonly root: Found;
  readonly room: FdRoom;
  readonly transferMax: number;
  readonly walkAndOpen: Remote['walkAndOpen'];
  readonly locks: RemoteLocks | undefined;
  readonly watches: RemoteWatches | undefined;
  readonly #client: LisafsClient;
  readonly #making: LisafsMaking;
  /** Of what says how things are to be, whatever they were, as long as nobody else says so too. */
  readonly #absolute: SendOptions;

  /** `isAlone`: no other client changes anything. */
  constructor(client: LisafsClient, { isAlone }: { readonly isAlone: boolean }) {
    this.#client = client;
    this.room = new FdRoom(() => client.closeNow());
    this.#making = new LisafsMaking(client, this.room);
    this.#absolute = { isRepeatable: isAlone };
    this.watches = client.supports('Watch') ? new LisafsWatches(client) : undefined;
    this.locks = client.supports('SetLock') ? new LisafsLocks(client) : undefined;
    const { fd, statx } = client.root;
    this.root = { fd: this.#fd(fd), statx };
    this.walkAndOpen = client.supports('WalkOpenRead')
      ? (from, names, bytesMax) =>
          this.room.ask([from], () => this.#walkAndOpen(from, names, bytesMax))
      : undefined;
    this.transferMax = Math.min(1 << 20, client.payloadMax - FIELDS_BYTES);
  }

  #fd(id: number): RemoteFd {
    return new RemoteFd(id, this.#client);
  }

  #found({ controlFD, statx }: Inode): Found {
    return { fd: this.#fd(controlFD), statx };
  }

  walk(from: RemoteFd, names: readonly string[]): Op<Walked> {
    return this.room.ask([from], () => this.#walk(from, names));
  }

  *#walk(from: RemoteFd, names: readonly string[]): Op<Walked> {
    const reply = this.#client.send('Walk', () => ({ dirFD: from.id, path: [...names] }));
    return yield* taken(
      reply,
      ({ status, inodes }) => ({
        found: inodes.map((inode) => this.#found(inode)),
        isMissing: status === WALK_COMPONENT_DOES_NOT_EXIST,
      }),
      ({ found }) => {
        for (const { fd } of found) this.close(fd);
      },
    );
  }

  *#walkAndOpen(from: RemoteFd, names: readonly string[], maxBytes: number): Op<WalkedAndOpened> {
    const reply = this.#client.send('WalkOpenRead', () => ({
      dirFD: from.id,
      path: [...names],
      flags: O_RDONLY,
      maxBytes,
    }));
    return yield* taken(
      reply,
      ({ status, inodes, openFD, data, isWhole }) => ({
        found: inodes.map((inode) => this.#found(inode)),
        isMissing: status === WALK_COMPONENT_DOES_NOT_EXIST,
        open: openFD === INVALID_FD ? undefined : { opened: this.#fd(openFD), data, isWhole },
      }),
      ({ found, open }) => {
        for (const { fd } of found) this.close(fd);
        if (open !== undefined) this.close(open.opened);
      },
    );
  }

  *walkStat(from: RemoteFd, names: readonly string[]): Op<readonly Statx[]> {
    const path = ['', ...names];
    // The server needs FDs on the way.
    const ask = (): Op<ResponseOf<'WalkStat'>> =>
      this.#client.call('WalkStat', () => ({ dirFD: from.id, path }));
    return (yield* this.room.ask([from], ask)).stats;
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
    const asked = (): RequestOf<'SetStat'> => ({ fd: fd.id, ...values });
    const reply = this.#client.send('SetStat', asked, this.#absolute);
    return mapped(reply, ({ failureMask, failureErrno }) => {
      if (failureMask !== 0) throw errorFromErrno(failureErrno);
    });
  }

  *readlink(fd: RemoteFd): Op<string> {
    return textOf((yield* this.#client.call('ReadLinkAt', () => ({ fd: fd.id }))).target);
  }

  *list(fd: RemoteFd, wantsFds: boolean): Op<RemoteListing> {
    if (!this.#client.supports('ListDir')) return yield* this.#listByGetdents(fd);
    const entries: RemoteEntry[] = [];
    let isWhole = true;
    let isFirst = true;
    let maxBytes = Math.min(this.transferMax, FIRST_LIST_BYTES);
    for (let cookie = 0; ;) {
      // A large directory of files: they needn't all be pinned.
      const mayPin = wantsFds && isFirst;
      const asked = { cookie, maxBytes };
      const ask = (): Op<ResponseOf<'ListDir'>> => {
        // Not where that would be what there is no room for.
        const flags = mayPin && !this.room.isShort ? LIST_CONTROL_FDS : LIST_ATTRIBUTES;
        return this.#client.call('ListDir', () => ({ dirFD: fd.id, ...asked, flags }));
      };
      const listed = yield* this.room.ask([fd], ask);
      for (const { name, type, inode } of listed.entries) {
        const pinned = this.#directoryFd(inode);
        if (typeof name === 'string') entries.push({ name, type, statx: inode?.statx, fd: pinned });
        else {
          isWhole = false;
          if (pinned !== undefined) this.close(pinned);
        }
      }
      const last = listed.entries.at(-1);
      if (listed.isEnd || last === undefined) return { entries, isWhole };
      cookie = last.cookie;
      isFirst = false;
      maxBytes = Math.min(this.transferMax, maxBytes * 4);
    }
  }

  /** Files are pinned when they are used. */
  #directoryFd(inode: Inode | undefined): RemoteFd | undefined {
    if (inode === undefined || inode.controlFD === INVALID_FD) return undefined;
    const { fd, statx } = this.#found(inode);
    if ((statx.mode & S_IFMT) === S_IFDIR) return fd;
    this.close(fd);
    return undefined;
  }

  *#listByGetdents(fd: RemoteFd): Op<RemoteListing> {
    const opened = yield* this.open(fd, O_RDONLY);
    const entries: RemoteEntry[] = [];
    let isWhole = true;
    try {
      for (;;) {
        const count = this.transferMax;
        const { dirents } = yield* this.#client.call('Getdents64', () => ({
          dirFD: opened.id,
          count,
        }));
        if (dirents.length === 0) return { entries, isWhole };
        for (const { name, type } of dirents) {
          if (typeof name !== 'string') isWhole = false;
          else if (!isDots(name)) entries.push({ name, type, statx: undefined, fd: undefined });
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

  open(fd: RemoteFd, flags: number): Op<RemoteFd> {
    return this.room.ask([fd], () => this.#open(fd, flags));
  }

  *#open(fd: RemoteFd, flags: number): Op<RemoteFd> {
    const reply = this.#client.send('OpenAt', () => ({ fd: fd.id, flags }));
    return yield* taken(
      reply,
      ({ openFD }) => this.#fd(openFD),
      (opened) => {
        this.close(opened);
      },
    );
  }

  *openAndRead(fd: RemoteFd, flags: number, maxBytes: number): Op<OpenedAndRead> {
    if (!this.#client.supports('OpenReadAt')) {
      return { opened: yield* this.open(fd, flags), data: NO_DATA, isWhole: false };
    }
    return yield* this.room.ask([fd], () => this.#openAndRead(fd, flags, maxBytes));
  }

  *#openAndRead(fd: RemoteFd, flags: number, maxBytes: number): Op<OpenedAndRead> {
    const reply = this.#client.send('OpenReadAt', () => ({ fd: fd.id, flags, maxBytes }));
    return yield* taken(
      reply,
      ({ openFD, data, isWhole }) => ({ opened: this.#fd(openFD), data, isWhole }),
      ({ opened }) => {
        this.close(opened);
      },
    );
  }

  mayGoOn(making: Making): boolean {
    return this.#making.mayGoOn(making);
  }

  make(
    parent: RemoteFd,
    making: Making,
    options: { readonly goesOn: boolean },
  ): Op<{ made: Made; pending: Pending<Statx> }> {
    return this.#making.make(parent, making, options);
  }

  link(parent: RemoteFd, name: string, target: RemoteFd): Pending<void> {
    return this.room.send([parent, target], () => this.#link(parent, name, target));
  }

  #link(parent: RemoteFd, name: string, target: RemoteFd): Pending<void> {
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
    const asked = (): RequestOf<'PWrite'> => ({ fd: opened.id, offset, data });
    const reply = this.#client.send('PWrite', asked, this.#absolute);
    return mapped(reply, ({ count }) => count);
  }

  sync(opened: readonly RemoteFd[]): Pending<void> {
    const asked = (): RequestOf<'FSync'> => ({ fds: opened.map(({ id }) => id) });
    return done(this.#client.send('FSync', asked, this.#absolute));
  }

  syncDirectory(fd: RemoteFd): Pending<void> {
    return this.room.send([fd], () => this.trySyncDirectory(fd));
  }

  /** The FD it takes is closed as soon as it has been used. */
  trySyncDirectory(fd: RemoteFd): Pending<void> {
    const opening = this.#client.send('OpenAt', () => ({ fd: fd.id, flags: O_RDONLY }));
    return followed(opening, ({ openFD }) => {
      const opened = this.#fd(openFD);
      const syncing = this.#client.send('FSync', () => ({ fds: [opened.id] }));
      this.close(opened);
      return syncing;
    });
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
    if (fd.isClosed) return;
    fd.isClosed = true;
    if (fd.id !== INVALID_FD) this.#client.closeFd(fd.id);
  }

  giveUpReserve(): number {
    return this.#making.giveUpReserve();
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
