// Relayfs: an idbfs whose store another tab holds. Paths, permissions, data, locks and watches are
// that tab's affair; this one knows what its own tasks refer to, and nothing beyond: no name, no
// attribute and no data is remembered. Mirrors gVisor pkg/sentry/fsimpl/gofer (uncached).

import { linuxerr } from '../../abi/errno.ts';
import type { Stat, Statfs } from '../../abi/stat.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Op } from '../../lib/op.ts';
import type { Dentry, VirtualDentry } from '../../vfs/dentry.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type { CommitStatus, Filesystem, StoreHolder } from '../../vfs/filesystem.ts';
import type { LockOwner, RangeLock, RangeRequest } from '../../locks/file-locks.ts';
import type {
  MkdirOptions,
  MknodOptions,
  OpenOptions,
  RenameOptions,
  RenameSource,
  SetStat,
  SetXattr,
} from '../../vfs/options.ts';
import type { ResolvingPath } from '../../vfs/resolving-path.ts';
import {
  type Attachment,
  type AtPath,
  type CallArguments,
  type CallName,
  type CallResult,
  type Chain,
  type HolderMessage,
  type Losses,
  ROOT_HANDLE,
  type Stop,
  type WireFile,
  type WireHandle,
  type WireLockOwner,
  type WirePath,
} from './messages.ts';
import { RelayClient, type RelayUser } from './relay-client.ts';
import { RelayDentry, type RelayDentryOwner } from './relay-dentry.ts';
import { RelayFileDescription } from './relay-file-description.ts';
import { RelayStatus } from './relay-status.ts';
import { RelayedWatches, RelayWatchTable } from './relay-watches.ts';
import { encodeMountFlags, wireCredentials } from './relayed-path.ts';

export interface RelayfsOptions {
  readonly dev: number;
  readonly clock: Clock;
  /** The last unmount has happened. */
  readonly onReleased: () => Op<void>;
}

type PathCall = {
  [Name in CallName]: CallArguments<Name>[0] extends WirePath ? Name : never;
}[CallName];
type RestOf<Args extends readonly unknown[]> = Args extends readonly [unknown, ...infer Rest]
  ? Rest
  : never;
type ValueOf<Name extends PathCall> = CallResult<Name> extends AtPath<infer T> ? T : never;

export class Relayfs implements Filesystem, RelayDentryOwner, RelayUser {
  /** What it is, whoever holds it. */
  readonly type = 'idbfs';
  readonly dev: number;
  readonly root: RelayDentry;
  readonly watched = new RelayedWatches();
  readonly client: RelayClient;
  /** This tab has become the holder: what it asks, it asks itself. */
  isHeldHere = false;
  readonly #options: RelayfsOptions;
  readonly #status: RelayStatus;
  readonly #dentries = new Map<number, RelayDentry>();
  readonly #files = new Map<number, RelayFileDescription>();
  readonly watches: RelayWatchTable;
  readonly #owners = new WeakMap<LockOwner, number>();
  /** Handles nobody needs any more, with their mentions: told before the next call. */
  #forgotten: (readonly [number, number])[] = [];
  #lastFile = 0;
  #lastOwner = 0;

  constructor(options: RelayfsOptions) {
    this.#options = options;
    this.dev = options.dev;
    this.client = new RelayClient(this, options.clock);
    this.#status = new RelayStatus(this.client, options.clock);
    this.watches = new RelayWatchTable(this.client, this.watched);
    const root = { handle: ROOT_HANDLE, ino: 1, name: '', isDir: true, isDead: false };
    this.root = new RelayDentry(this, root);
    this.#dentries.set(ROOT_HANDLE, this.root);
    this.root.incRef();
  }

  // Paths.

  #wirePath(rp: ResolvingPath): WirePath {
    return {
      creds: wireCredentials(rp.creds),
      mount: encodeMountFlags(rp.mount.flags),
      start: (rp.start as RelayDentry).handle,
      path: rp.rest,
      mustBeDir: rp.mustBeDir,
      followsFinalSymlink: rp.followsFinalSymlink,
    };
  }

  *#at<Name extends PathCall>(
    rp: ResolvingPath,
    name: Name,
    ...rest: RestOf<CallArguments<Name>>
  ): Op<ValueOf<Name>> {
    const { value, dentry } = yield* this.#atForDentry(rp, name, ...rest);
    dentry?.decRef();
    return value;
  }

  /** Makes a call at a path, wherever that leads: again, after what is this tab's affair. */
  *#atForDentry<Name extends PathCall>(
    rp: ResolvingPath,
    name: Name,
    ...rest: RestOf<CallArguments<Name>>
  ): Op<{ readonly value: ValueOf<Name>; readonly dentry: RelayDentry | undefined }> {
    let held = rp.start as RelayDentry;
    held.incRef();
    try {
      for (;;) {
        const args = [this.#wirePath(rp), ...rest] as unknown as CallArguments<Name>;
        const { value, dentry } = yield* this.client.callForDentry(name, ...args);
        const result = value as AtPath<ValueOf<Name>>;
        if (result.stop === undefined) return { value: result.value, dentry };
        const stoppedAt = dentry as RelayDentry;
        try {
          this.#goOn(rp, result.stop, stoppedAt);
          rp.start.incRef();
        } finally {
          stoppedAt.decRef();
        }
        held.decRef();
        held = rp.start as RelayDentry;
      }
    } finally {
      held.decRef();
    }
  }

  /** What the holder left to this tab: a symlink, "..", or a mount point of its own. */
  #goOn(rp: ResolvingPath, { reason, consumed, target }: Stop, at: RelayDentry): void {
    for (let i = 0; i < consumed; i++) rp.advance();
    if (reason === 'symlink') {
      rp.start = at;
      rp.followSymlink(target);
      return;
    }
    let next = at;
    if (reason === 'mount') rp.enterMount(at);
    else if (!rp.isRoot(at) && at.parent !== undefined) {
      next = at.parent;
      if (next.mountCount > 0) rp.enterMount(next);
    }
    rp.advance();
    rp.start = next;
  }

  *accessAt(rp: ResolvingPath, bits: number): Op<void> {
    yield* this.#at(rp, 'access', bits);
  }

  *getDentryAt(rp: ResolvingPath): Op<Dentry> {
    return (yield* this.#atForDentry(rp, 'getDentry')).dentry as RelayDentry;
  }

  *getParentDentryAt(rp: ResolvingPath): Op<Dentry> {
    const { value, dentry } = yield* this.#atForDentry(rp, 'getParent');
    for (let i = 0; i < value.consumed; i++) rp.advance();
    return dentry as RelayDentry;
  }

  *linkAt(rp: ResolvingPath, target: VirtualDentry): Op<void> {
    yield* this.#at(rp, 'link', handleWithin(rp, target));
  }

  *mkdirAt(rp: ResolvingPath, options: MkdirOptions): Op<void> {
    yield* this.#at(rp, 'mkdir', options);
  }

  /** Errors besides: EOPNOTSUPP for a socket that somebody of this tab listens at. */
  *mknodAt(rp: ResolvingPath, { mode, umask, rdev, endpoint }: MknodOptions): Op<void> {
    if (endpoint !== undefined) throw linuxerr.EOPNOTSUPP;
    yield* this.#at(rp, 'mknod', { mode, umask, rdev });
  }

  *openAt(rp: ResolvingPath, options: OpenOptions): Op<FileDescription> {
    const id = ++this.#lastFile;
    const { value, dentry } = yield* this.#atForDentry(rp, 'open', id, options);
    const { flags } = options;
    const mount = encodeMountFlags(rp.mount.flags);
    const at = dentry as RelayDentry;
    try {
      const file = new RelayFileDescription(this, {
        vd: { mount: rp.mount, dentry: at },
        wire: { file: id, flags, creds: wireCredentials(rp.creds), mount, kind: value.kind },
        readiness: value.readiness,
      });
      this.#files.set(id, file);
      return file;
    } catch (error) {
      this.client.post('closeFile', id);
      throw error;
    } finally {
      at.decRef();
    }
  }

  *getXattrAt(rp: ResolvingPath, name: string): Op<Uint8Array> {
    return yield* this.#at(rp, 'getXattr', name);
  }

  *setXattrAt(rp: ResolvingPath, { name, value, flags }: SetXattr): Op<void> {
    yield* this.#at(rp, 'setXattr', { name, value: value.slice(), flags });
  }

  *listXattrAt(rp: ResolvingPath): Op<string[]> {
    return yield* this.#at(rp, 'listXattr');
  }

  *removeXattrAt(rp: ResolvingPath, name: string): Op<void> {
    yield* this.#at(rp, 'removeXattr', name);
  }

  *readlinkAt(rp: ResolvingPath): Op<string> {
    return yield* this.#at(rp, 'readlink');
  }

  *renameAt(rp: ResolvingPath, source: RenameSource, { flags }: RenameOptions): Op<void> {
    const { name, mustBeDir } = source;
    const parent = handleWithin(rp, source.parent);
    yield* this.#at(rp, 'rename', { parent, name, mustBeDir }, flags);
  }

  *rmdirAt(rp: ResolvingPath): Op<void> {
    yield* this.#at(rp, 'rmdir');
  }

  *setStatAt(rp: ResolvingPath, change: SetStat): Op<void> {
    yield* this.#at(rp, 'setStat', change);
  }

  *statAt(rp: ResolvingPath): Op<Stat> {
    return this.statHere(yield* this.#at(rp, 'stat'));
  }

  *statfsAt(rp: ResolvingPath): Op<Statfs> {
    return yield* this.#at(rp, 'statfsAt');
  }

  *symlinkAt(rp: ResolvingPath, target: string): Op<void> {
    yield* this.#at(rp, 'symlink', target);
  }

  *unlinkAt(rp: ResolvingPath): Op<void> {
    yield* this.#at(rp, 'unlink');
  }

  // The whole.

  /** The device number is of this kernel. */
  statHere(stat: Stat): Stat {
    return { ...stat, dev: this.dev };
  }

  *statDentry(dentry: Dentry): Op<Stat> {
    return this.statHere(yield* this.client.call('statDentry', (dentry as RelayDentry).handle));
  }

  statfs(): Op<Statfs> {
    return this.client.call('statfs');
  }

  sync(): Op<void> {
    return this.client.call('sync');
  }

  *release(): Op<void> {
    try {
      if (this.client.uncommittedCount > 0) yield* this.sync();
    } finally {
      this.client.detach();
      yield* this.#options.onReleased();
    }
  }

  /** Of what this tab has changed; health and mirror are the holder's. */
  get commitStatus(): CommitStatus {
    return this.#status.commitStatus;
  }

  get isReadOnly(): boolean {
    return this.#status.isReadOnly;
  }

  checkWritable(): void {
    // The holder does, when it makes the change.
  }

  /** Nobody can hold the store any more. */
  fail(reason: Error): void {
    this.#status.failed(reason);
    this.client.fail();
  }

  get holder(): StoreHolder {
    if (!this.client.isAttached) return 'none';
    if (this.isHeldHere) return 'this-tab';
    return this.client.isSilent ? 'silent' : 'other-tab';
  }

  // Dentries.

  adopt(chain: Chain): RelayDentry {
    let parent: RelayDentry | undefined;
    for (const wire of chain.toReversed()) {
      const dentry = this.#dentries.get(wire.handle) ?? this.#newDentry(wire);
      dentry.mentions++;
      dentry.incRef();
      dentry.name = wire.name;
      dentry.isDead = wire.isDead;
      dentry.parent = parent;
      parent?.decRef();
      parent = dentry;
    }
    return parent ?? this.root;
  }

  #newDentry(wire: Chain[number]): RelayDentry {
    const dentry = new RelayDentry(this, wire);
    this.#dentries.set(wire.handle, dentry);
    return dentry;
  }

  unused({ handle, mentions }: RelayDentry): void {
    this.#dentries.delete(handle);
    if (this.#forgotten.length === 0) {
      queueMicrotask(() => {
        this.client.post('forget', this.#forgotten);
        this.#forgotten = [];
      });
    }
    this.#forgotten.push([handle, mentions]);
  }

  mountsChanged({ handle }: RelayDentry, change: 1 | -1): void {
    this.client.post('countMount', handle, change);
  }

  // Watches.

  get hasWatches(): boolean {
    return !this.watches.isEmpty;
  }

  // Files and locks.

  fileClosed(id: number): void {
    this.#files.delete(id);
    this.client.post('closeFile', id);
  }

  ownerOf(owner: LockOwner, file: RelayFileDescription): WireLockOwner {
    if (owner === file) return { id: 0, pid: owner.lockPid };
    let id = this.#owners.get(owner);
    if (id === undefined) this.#owners.set(owner, (id = ++this.#lastOwner));
    return { id, pid: owner.lockPid };
  }

  /** An owner's locks on a file, whichever descriptor they were set by. */
  #filesWithLocks(ino: number, owner: number): RelayFileDescription[] {
    return [...this.#files.values()].filter((file) => file.ino === ino && file.ranges.has(owner));
  }

  hasLocks(ino: number, owner: number): boolean {
    return this.#filesWithLocks(ino, owner).length > 0;
  }

  forgetLocks(ino: number, owner: number): void {
    for (const file of this.#filesWithLocks(ino, owner)) file.ranges.delete(owner);
  }

  /** A lock was granted, to be had again at another holder. */
  noteLock(
    file: RelayFileDescription,
    owner: WireLockOwner,
    request: RangeRequest,
    replaced: (old: readonly RangeLock[], request: RangeRequest) => RangeLock[],
  ): void {
    const old = this.#filesWithLocks(file.ino, owner.id).flatMap(
      (each) => each.ranges.get(owner.id)?.ranges ?? [],
    );
    if (owner.id !== 0) this.forgetLocks(file.ino, owner.id);
    const before = owner.id === 0 ? (file.ranges.get(0)?.ranges ?? []) : old;
    const ranges = replaced(before, request);
    if (ranges.length > 0) file.ranges.set(owner.id, { owner, ranges });
    else file.ranges.delete(owner.id);
  }

  // Of the client.

  attachment(): Omit<Attachment, 'epoch'> {
    const dentries = [...this.#dentries.values()].filter(({ isLost }) => !isLost);
    const files = [...this.#files.values()].filter(({ isLost }) => !isLost);
    const inos = dentries.map(({ ino }) => ino + 1);
    return {
      handles: dentries.flatMap(({ handle }) => this.handle(handle) ?? []),
      files: files.flatMap(({ id }) => this.file(id) ?? []),
      flocks: files.flatMap(({ id: file, flockOperation: operation }) =>
        operation === 0 ? [] : [{ file, operation }],
      ),
      ranges: files.flatMap(({ id: file, ranges }) =>
        [...ranges.values()].map((each) => ({ file, ...each })),
      ),
      mountPoints: dentries.flatMap(({ handle, mountCount }) =>
        mountCount === 0 ? [] : [[handle, mountCount] as const],
      ),
      watches: this.watches.hints,
      inodesBelow: Math.max(this.client.inodesBelow, ...inos),
    };
  }

  handle(handle: number): WireHandle | undefined {
    const dentry = this.#dentries.get(handle);
    if (dentry === undefined) return undefined;
    const { ino, path, mentions } = dentry;
    return { handle, ino, path, mentions };
  }

  file(id: number): WireFile | undefined {
    const file = this.#files.get(id);
    if (file === undefined) return undefined;
    const { ino, path } = file.vd.dentry as RelayDentry;
    return { ...file.wire, flags: file.statusFlags, ino, path };
  }

  attached({ handles, files }: Losses): void {
    for (const handle of handles) {
      const dentry = this.#dentries.get(handle);
      if (dentry === undefined) continue;
      dentry.isLost = true;
      dentry.isDead = true;
    }
    for (const id of files) this.#files.get(id)?.lose();
    this.watches.eventsLost();
  }

  changeLost(): void {
    this.#status.changeLost();
  }

  get lostChanges(): number {
    return this.#status.lostChanges;
  }

  committed(): void {
    this.#status.committed();
  }

  receive(message: HolderMessage): void {
    switch (message.type) {
      case 'event':
        this.watches.notify(message);
        return;
      case 'unwatched':
        this.watches.get(message.ino)?.removeAll(0);
        return;
      case 'moved':
        this.adopt(message.at).decRef();
        return;
      case 'readiness':
        this.#files.get(message.file)?.readinessIs(message.bits);
        return;
      case 'status':
        this.#status.told(message.status);
        return;
      default:
    }
  }
}

/** The handle of what lies in the mount of a path; undefined if it lies in another one. */
function handleWithin(rp: ResolvingPath, { mount, dentry }: VirtualDentry): number | undefined {
  return mount === rp.mount ? (dentry as RelayDentry).handle : undefined;
}
