// ServedHostFile: a file of the host as a control FD of a lisafs server's client has it.
// Mirrors gVisor runsc/fsgofer/lisafs.go, controlFDLisa.
//
// It holds its file of the host, and as what has to be linked by its name also the directory where
// that is. An open FD holds what it needs by itself.

import { linuxerr } from '../abi/errno.ts';
import { AT_REMOVEDIR, O_ACCMODE, O_RDONLY, O_TRUNC } from '../abi/fcntl.ts';
import { S_IFDIR, S_IFREG } from '../abi/stat.ts';
import { assert } from '../lib/assert.ts';
import { type Op, runAsync } from '../lib/op.ts';
import type {
  AttributeChanges,
  AttributeFailures,
  Creation,
  Device,
  OpenedFile,
  PinnedFile,
  ServedFile,
  ServedStatfs,
  ServedWatch,
  Statx,
  WatchSink,
} from '../served/served-file.ts';
import type { ExportPolicy } from './export-policy.ts';
import type { HostDirectory, LinkSource, Walked } from './host-directory.ts';
import type { HostName } from './host-name.ts';
import { untilDone, untilKnown, untilOpen } from './host-wait.ts';
import { type DirectoryId, ServedListing } from './served-listing.ts';
import { fromHostName, toHostName } from './served-name.ts';
import { ServedOpenFile } from './served-open-file.ts';
import { fromHostStatfs, toHostSetAttr } from './served-stat.ts';
import type { Watching } from './watching.ts';
import { ServedXattrs } from './served-xattrs.ts';
import { settleAlone, SharedFile } from './shared-file.ts';

export interface ServedHostFileOptions {
  readonly walked: Walked;
  readonly policy: ExportPolicy;
  readonly watching: Watching;
  /** Undefined for the root, which is its own parent to clients. */
  readonly position: { readonly directory: ServedHostFile; readonly name: HostName } | undefined;
}

/** One of the file's names. */
interface KnownName {
  readonly directory: SharedFile<HostDirectory>;
  readonly name: HostName;
}

export class ServedHostFile implements ServedFile {
  readonly #shared: SharedFile;
  readonly #policy: ExportPolicy;
  readonly #watching: Watching;
  readonly #self: DirectoryId;
  /** The directory it is in. */
  #above: DirectoryId;
  /** Of a file that can only be linked by one. */
  #knownName: KnownName | undefined;
  readonly #xattrs: ServedXattrs;

  /** The file of the host is this one's from here on. */
  constructor({ walked: { file, stat }, policy, watching, position }: ServedHostFileOptions) {
    this.#shared = new SharedFile(file);
    this.#policy = policy;
    this.#watching = watching;
    this.#xattrs = new ServedXattrs(this.#shared, policy);
    this.#self = stat;
    this.#above = position === undefined ? stat : position.directory.#self;
    const needsName = file.type !== S_IFDIR && file.isLinkedByName;
    if (position !== undefined && needsName) {
      const { directory, name } = position;
      this.#knownName = { directory: directory.#directory.retain(), name };
    }
  }

  get type(): number {
    return this.#shared.file.type;
  }

  /** Errors: ENOTDIR. */
  get #directory(): SharedFile<HostDirectory> {
    const shared = this.#shared;
    if (!shared.isDirectory()) throw linuxerr.ENOTDIR;
    return shared;
  }

  #pinned(walked: Walked, name: HostName): PinnedFile {
    const position = { directory: this, name };
    const [policy, watching] = [this.#policy, this.#watching];
    const file = new ServedHostFile({ walked, policy, watching, position });
    return { file, statx: policy.shown(walked.stat) };
  }

  *stat(): Op<Statx> {
    return this.#policy.shown(yield* untilKnown(() => this.#shared.use((file) => file.stat())));
  }

  *setStat(changes: AttributeChanges): Op<AttributeFailures> {
    const policy = this.#policy;
    policy.checkChange();
    const { mode, ...others } = policy.newOwner(toHostSetAttr(changes));
    const permissions = mode === undefined ? {} : { mode: policy.permissions(this.type, mode) };
    const { failureMask, error } = yield* untilDone(() =>
      this.#shared.use(async (file) => {
        if (others.size !== undefined) await policy.dropSetId(file);
        return file.setAttributes({ ...others, ...permissions });
      }),
    );
    return { failureMask, failureErrno: error?.errno ?? 0 };
  }

  *readlink(): Op<string> {
    return fromHostName(yield* untilKnown(() => this.#shared.use((file) => file.readlink())));
  }

  *statfs(): Op<ServedStatfs> {
    return fromHostStatfs(yield* untilKnown(() => this.#shared.use((file) => file.statfs())));
  }

  *walk(name: string): Op<PinnedFile> {
    const shared = this.#directory;
    const hostName = toHostName(name);
    const found = yield* untilOpen(
      () => shared.use((directory) => directory.walk(hostName)),
      ({ file }) => file.close(),
    );
    return this.#pinned(found, hostName);
  }

  *statAt(name: string): Op<Statx> {
    const shared = this.#directory;
    const hostName = toHostName(name);
    const stat = yield* untilKnown(() => shared.use((directory) => directory.statAt(hostName)));
    return this.#policy.shown(stat);
  }

  *open(flags: number): Op<OpenedFile> {
    const changes = (flags & O_ACCMODE) !== O_RDONLY || (flags & O_TRUNC) !== 0;
    if (changes) this.#policy.checkChange();
    return yield* untilOpen(
      () => (this.type === S_IFDIR ? this.#list() : this.#open(flags, changes)),
      (opened) => runAsync(opened.close()),
    );
  }

  #list(): Promise<OpenedFile> {
    const [directory, self, above] = [this.#directory, this.#self, this.#above];
    return ServedListing.open({ directory, self, above });
  }

  #open(flags: number, changes: boolean): Promise<OpenedFile> {
    return this.#shared.use(async (file) => {
      if (changes) await this.#policy.dropSetId(file);
      return new ServedOpenFile(await file.open(flags));
    });
  }

  /** Makes something in the directory. */
  *#make<Made extends Walked>(
    name: string,
    make: (directory: HostDirectory, name: HostName) => Promise<Made>,
  ): Op<PinnedFile & { readonly made: Made }> {
    this.#policy.checkChange();
    const shared = this.#directory;
    const hostName = toHostName(name);
    const made = yield* untilDone(() => shared.use((directory) => make(directory, hostName)));
    return { ...this.#pinned(made, hostName), made };
  }

  *create(
    name: string,
    creation: Creation,
    flags: number,
  ): Op<PinnedFile & { readonly opened: OpenedFile }> {
    const options = { ...this.#policy.creation(S_IFREG, creation), flags };
    const { made, ...pinned } = yield* this.#make(name, (directory, hostName) =>
      directory.create(hostName, options),
    );
    return { ...pinned, opened: new ServedOpenFile(made.open) };
  }

  *mkdir(name: string, creation: Creation): Op<PinnedFile> {
    const options = this.#policy.creation(S_IFDIR, creation);
    return yield* this.#make(name, (directory, hostName) => directory.mkdir(hostName, options));
  }

  *mknod(name: string, creation: Creation, { major, minor }: Device): Op<PinnedFile> {
    const policy = this.#policy;
    policy.checkChange();
    const type = policy.checkNode(creation.mode);
    const { mode, ...owner } = policy.creation(type, creation);
    const numbers = { rdevMajor: major, rdevMinor: minor };
    const options = { ...owner, ...numbers, mode: type | mode, types: policy.nodeTypes };
    return yield* this.#make(name, (directory, hostName) => directory.mknod(hostName, options));
  }

  *symlink(name: string, target: string, owner: Omit<Creation, 'mode'>): Op<PinnedFile> {
    const policy = this.#policy;
    policy.checkChange();
    const options = { ...policy.owner(owner), target: toHostName(target) };
    return yield* this.#make(name, (directory, hostName) => directory.symlink(hostName, options));
  }

  *link(target: ServedFile, name: string): Op<PinnedFile> {
    const source = served(target).#linkSource;
    return yield* this.#make(name, (directory, hostName) => directory.link(hostName, source));
  }

  get #linkSource(): LinkSource {
    const { file } = this.#shared;
    if (this.#knownName === undefined) return { file };
    const { directory, name } = this.#knownName;
    return { file, directory: directory.file, name };
  }

  *unlink(name: string, flags: number): Op<void> {
    this.#policy.checkChange();
    const shared = this.#directory;
    const hostName = toHostName(name);
    const isDirectory = (flags & AT_REMOVEDIR) !== 0;
    yield* untilDone(() =>
      shared.use((directory) =>
        isDirectory ? directory.rmdir(hostName) : directory.unlink(hostName),
      ),
    );
  }

  *rename(name: string, target: ServedFile, targetName: string, flags: number): Op<void> {
    this.#policy.checkChange();
    this.#policy.checkRename(flags);
    const from = this.#directory;
    const to = served(target).#directory;
    const [oldName, newName] = [toHostName(name), toHostName(targetName)];
    yield* untilDone(() =>
      from.use((directory) =>
        to.use((newDirectory) => directory.rename(oldName, newDirectory, { newName, flags })),
      ),
    );
  }

  renamed(directory: ServedFile, name: string): void {
    const above = served(directory);
    const hostName = toHostName(name);
    this.#shared.file.moved(above.#shared.file, hostName);
    this.#above = above.#self;
    if (this.#knownName === undefined) return;
    const { directory: former } = this.#knownName;
    this.#knownName = { directory: above.#directory.retain(), name: hostName };
    settleAlone(former.release());
  }

  getXattr(name: string, size: number): Op<Uint8Array> {
    return this.#xattrs.get(name, size);
  }

  setXattr(name: string, value: Uint8Array, flags: number): Op<void> {
    return this.#xattrs.set(name, value, flags);
  }

  listXattr(size: number): Op<readonly string[]> {
    return this.#xattrs.list(size);
  }

  removeXattr(name: string): Op<void> {
    return this.#xattrs.remove(name);
  }

  *watch(mask: number, isRecursive: boolean, sink: WatchSink): Op<ServedWatch> {
    const watching = this.#watching;
    const shared = isRecursive ? this.#directory : this.#shared;
    const watch = yield* untilOpen(
      () => watching.watch(shared, mask, { isRecursive, sink }),
      (opened) => opened.close(),
    );
    return { close: () => untilDone(() => watch.close()) };
  }

  close(): Op<void> {
    return untilDone(async () => {
      try {
        await this.#knownName?.directory.release();
      } finally {
        await this.#shared.release();
      }
    });
  }
}

/** The server gives back what it was given. */
function served(file: ServedFile): ServedHostFile {
  assert(file instanceof ServedHostFile, 'a file of another server');
  return file;
}
