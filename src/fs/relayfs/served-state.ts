// ServedState: what a client has at the holder: dentries it refers to by handle, open files, owners
// of locks, watches and mount points. All of it goes when the client does.

import { linuxerr } from '../../abi/errno.ts';
import { IN_ALL_EVENTS, IN_UNMOUNT } from '../../abi/inotify.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../abi/poll.ts';
import { Mutex, type Op } from '../../lib/op.ts';
import type { Dentry } from '../../vfs/dentry.ts';
import type { ExportedFilesystem, InodeHint } from '../../vfs/exported.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type { LockOwner } from '../../locks/file-locks.ts';
import type { InotifyEvent, Watch, WatchOwner, Watches } from '../../vfs/watches.ts';
import {
  type Chain,
  type FileKind,
  type HolderMessage,
  ROOT_HANDLE,
  type WireDentry,
  type WireLockOwner,
} from './messages.ts';

const ALL_READINESS = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLERR | POLLHUP;

interface Handle {
  readonly id: number;
  readonly dentry: Dentry;
  /** How often it was mentioned to the client. */
  mentions: number;
}

export interface ServedFile {
  readonly file: FileDescription;
  readonly kind: FileKind;
  /** Held across what takes two steps of the description: its offset is nobody else's. */
  readonly mutex: Mutex;
  /** What the client was told last. */
  readiness: number;
  /** Ends that changes of readiness are looked at. */
  unsubscribe: () => void;
}

/** A process of the client's, as an owner of locks. */
class ServedOwner implements LockOwner {
  readonly lockPid: number;
  blockedBy: LockOwner | undefined;
  readonly dentries = new Set<Dentry>();

  constructor(pid: number) {
    this.lockPid = pid;
  }
}

/** Told when a dentry that has a handle moves. */
export type MovedDentries = Map<Dentry, Set<ServedState>>;

export class ServedState {
  readonly filesystem: ExportedFilesystem;
  readonly #tell: (message: HolderMessage) => void;
  readonly #moved: MovedDentries;
  readonly #handles = new Map<number, Handle>();
  readonly #byDentry = new Map<Dentry, Handle>();
  /** Not found again yet, since the store has changed hands. */
  readonly #hints = new Map<number, InodeHint & { readonly mentions: number }>();
  readonly #files = new Map<number, ServedFile>();
  readonly #owners = new Map<number, ServedOwner>();
  readonly #watches = new Map<number, ServedWatch>();
  readonly #mountPoints = new Map<Dentry, number>();
  #lastHandle = ROOT_HANDLE;

  /** `tell` sends to the client. `moved` is shared by all clients. */
  constructor(
    filesystem: ExportedFilesystem,
    tell: (message: HolderMessage) => void,
    moved: MovedDentries,
  ) {
    this.filesystem = filesystem;
    this.#tell = tell;
    this.#moved = moved;
    this.#addHandle(ROOT_HANDLE, filesystem.root, 1);
  }

  // Dentries.

  /** Without a reference of its own: the handle has one. Errors: ESTALE if it is gone. */
  *dentry(id: number): Op<Dentry> {
    const handle = this.#handles.get(id);
    if (handle !== undefined) return handle.dentry;
    const hint = this.#hints.get(id);
    if (hint === undefined) throw linuxerr.ESTALE;
    const found = yield* this.filesystem.findInode(hint);
    if (found === undefined) throw linuxerr.ESTALE;
    const present = this.#handles.get(id)?.dentry;
    if (present === undefined) this.#addHandle(id, found, hint.mentions);
    this.#hints.delete(id);
    found.decRef();
    return present ?? found;
  }

  /**
   * A handle that the client has from another holder. `mentions`: undefined if that was said, or
   * the client doesn't need it any more.
   */
  expectHandle(id: number, { ino, path }: InodeHint, mentions?: number): void {
    this.#lastHandle = Math.max(this.#lastHandle, id);
    if (this.#handles.has(id)) return;
    const known = mentions ?? this.#hints.get(id)?.mentions ?? 0;
    this.#hints.set(id, { ino, path, mentions: known });
  }

  /** What the client doesn't need any more. */
  dropUnmentioned(): void {
    this.#hints.clear();
    for (const handle of [...this.#handles.values()]) {
      if (handle.mentions === 0) this.#dropHandle(handle);
    }
  }

  #addHandle(id: number, dentry: Dentry, mentions: number): Handle {
    const handle = { id, dentry, mentions };
    dentry.incRef();
    this.#handles.set(id, handle);
    this.#byDentry.set(dentry, handle);
    let states = this.#moved.get(dentry);
    if (states === undefined) {
      this.#moved.set(dentry, (states = new Set()));
      dentry.onPlaceChanged = () => {
        for (const state of this.#moved.get(dentry) ?? []) state.#dentryMoved(dentry);
      };
    }
    states.add(this);
    return handle;
  }

  #dentryMoved(dentry: Dentry): void {
    this.#tell({ type: 'moved', at: this.chain(dentry) });
  }

  /** A dentry and its parents, mentioned to the client. */
  chain(dentry: Dentry): Chain {
    const chain: WireDentry[] = [];
    for (let at: Dentry | undefined = dentry; at !== undefined; at = at.place?.parent) {
      const handle = this.#byDentry.get(at) ?? this.#addHandle(++this.#lastHandle, at, 0);
      handle.mentions++;
      const { isDir, isDead, place } = at;
      const ino = this.filesystem.inoOf(at);
      chain.push({ handle: handle.id, ino, name: place?.name ?? '', isDir, isDead });
    }
    return chain;
  }

  forget(id: number, mentions: number): void {
    this.#hints.delete(id);
    const handle = this.#handles.get(id);
    if (handle === undefined) return;
    handle.mentions -= mentions;
    if (handle.mentions <= 0 && id !== ROOT_HANDLE) this.#dropHandle(handle);
  }

  #dropHandle({ id, dentry }: Handle): void {
    this.#handles.delete(id);
    this.#byDentry.delete(dentry);
    const states = this.#moved.get(dentry);
    states?.delete(this);
    if (states?.size === 0) {
      this.#moved.delete(dentry);
      dentry.onPlaceChanged = undefined;
    }
    dentry.decRef();
  }

  // Mount points.

  readonly isMountPoint = (dentry: Dentry): boolean => this.#mountPoints.has(dentry);

  countMount(dentry: Dentry, change: 1 | -1): void {
    const count = (this.#mountPoints.get(dentry) ?? 0) + change;
    if (count === 0) this.#mountPoints.delete(dentry);
    else this.#mountPoints.set(dentry, count);
    dentry.countMount(change);
  }

  // Files.

  /** Errors: EIO if the client's file could not be opened again. */
  file(id: number): ServedFile {
    const served = this.#files.get(id);
    if (served === undefined) throw linuxerr.EIO;
    return served;
  }

  hasFile(id: number): boolean {
    return this.#files.has(id);
  }

  closeFilesExcept(expected: ReadonlySet<number>): void {
    for (const id of [...this.#files.keys()]) if (!expected.has(id)) this.closeFile(id);
  }

  /** Takes over the caller's reference. */
  addFile(id: number, file: FileDescription, kind: FileKind): ServedFile {
    const served: ServedFile = {
      file,
      kind,
      mutex: new Mutex(),
      readiness: kind === 'stream' ? file.readiness(ALL_READINESS) : 0,
      unsubscribe: () => undefined,
    };
    this.closeFile(id);
    this.#files.set(id, served);
    if (kind === 'stream') this.#followReadiness(id, served);
    return served;
  }

  #followReadiness(id: number, served: ServedFile): void {
    served.unsubscribe = served.file.readinessChanged.subscribe(() => {
      this.#tellReadiness(id, served);
      this.#followReadiness(id, served);
    });
  }

  #tellReadiness(id: number, served: ServedFile): void {
    const bits = served.file.readiness(ALL_READINESS);
    if (bits === served.readiness) return;
    served.readiness = bits;
    this.#tell({ type: 'readiness', file: id, bits });
  }

  /** Before a reply: what the client finds afterwards is not older than that. */
  tellReadiness(): void {
    for (const [id, served] of this.#files) {
      if (served.kind === 'stream') this.#tellReadiness(id, served);
    }
  }

  closeFile(id: number): void {
    const served = this.#files.get(id);
    if (served === undefined) return;
    this.#files.delete(id);
    served.unsubscribe();
    served.file.decRef();
  }

  // Locks.

  /** Who owns a range lock. */
  owner({ id, pid }: WireLockOwner, file: FileDescription): LockOwner {
    if (id === 0) return file;
    let owner = this.#owners.get(id);
    if (owner === undefined) this.#owners.set(id, (owner = new ServedOwner(pid)));
    owner.dentries.add(file.vd.dentry);
    return owner;
  }

  releaseLocks(file: FileDescription, ownerId: number): void {
    const owner = this.#owners.get(ownerId);
    if (owner === undefined) return;
    file.releaseRangeLocks(owner);
    owner.dentries.delete(file.vd.dentry);
    if (owner.dentries.size === 0) this.#owners.delete(ownerId);
  }

  // Watches.

  watch(dentry: Dentry): void {
    const ino = this.filesystem.inoOf(dentry);
    if (this.#watches.has(ino)) return;
    const onDropped = (): void => {
      this.#watches.delete(ino);
    };
    this.#watches.set(ino, new ServedWatch(dentry.ensureWatches(), ino, this.#tell, onDropped));
  }

  unwatch(ino: number): void {
    this.#watches.get(ino)?.end();
    this.#watches.delete(ino);
  }

  /** The client is gone, or nothing is served any more. */
  close(): void {
    for (const ino of [...this.#watches.keys()]) this.unwatch(ino);
    for (const owner of this.#owners.values()) {
      for (const dentry of owner.dentries) dentry.locks?.releaseRanges(owner);
    }
    this.#owners.clear();
    for (const id of [...this.#files.keys()]) this.closeFile(id);
    for (const [dentry, count] of this.#mountPoints) {
      for (let i = 0; i < count; i++) dentry.countMount(-1);
    }
    this.#mountPoints.clear();
    for (const handle of [...this.#handles.values()]) this.#dropHandle(handle);
  }
}

/** All that is told of a file, for the client's watches on it to choose from. */
class ServedWatch implements WatchOwner {
  readonly #target: Watches;
  readonly #ino: number;
  readonly #tell: (message: HolderMessage) => void;
  readonly #onDropped: () => void;
  #isSilent = false;

  constructor(
    target: Watches,
    ino: number,
    tell: (message: HolderMessage) => void,
    onDropped: () => void,
  ) {
    this.#target = target;
    this.#ino = ino;
    this.#tell = tell;
    this.#onDropped = onDropped;
    target.add(this, { wd: 0, target, mask: IN_ALL_EVENTS });
  }

  queue({ mask, cookie, name, isUnlinked = false }: InotifyEvent): void {
    // It is the holder that unmounts.
    if ((mask & IN_UNMOUNT) !== 0) this.#isSilent = true;
    if (this.#isSilent) return;
    this.#tell({ type: 'event', ino: this.#ino, mask, cookie, name, isUnlinked });
  }

  dropWatch(_watch: Watch): void {
    this.#target.delete(this);
    this.#onDropped();
    if (!this.#isSilent) this.#tell({ type: 'unwatched', ino: this.#ino });
  }

  end(): void {
    this.#target.delete(this);
  }
}
