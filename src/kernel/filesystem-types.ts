// The filesystem types that can be mounted: by kernel.mount() with a MountSpec, and by mount(2)
// with text. Mirrors gVisor's RegisterFilesystemType (pkg/sentry/vfs/filesystem_type.go).

import { linuxerr } from '../abi/errno.ts';
import { makeDev } from '../abi/stat.ts';
import { Devfs } from '../fs/devfs/devfs.ts';
import { withoutToken } from '../fs/gofer/gofer-error.ts';
import { type ConnectGofer, mountGofer } from '../fs/gofer/mount-gofer.ts';
import type { GoferOptions } from '../fs/gofer/mount-options.ts';
import { Idbfs } from '../fs/idbfs/idbfs.ts';
import type { Devices } from '../fs/shared/devices.ts';
import { Tmpfs, type TmpfsOptions } from '../fs/tmpfs/tmpfs.ts';
import type { Clock } from '../lib/clock.ts';
import { nextMacrotask } from '../lib/macrotask.ts';
import { openSharedSource } from '../fs/relayfs/shared-source.ts';
import type { Tabs } from '../fs/relayfs/tabs.ts';
import { type Op, runAsync, waitFor } from '../lib/op.ts';
import type { HeldSourceLock } from '../store/source-lock.ts';
import { StoreError } from '../store/store-error.ts';
import type { Store } from '../store/store.ts';
import { StoreShare } from '../store/store-share.ts';
import type { Filesystem, StoreHolder } from '../vfs/filesystem.ts';
import type { RemoteStatus } from '../vfs/remote-link.ts';
import type { MountFlags } from '../vfs/mount.ts';
import type { MountSource } from '../vfs/mount-namespace.ts';
import type { MountRequest } from './services.ts';

export type KernelMountOptions = Partial<MountFlags>;

/** What to mount: MountSpec of the public API, as the kernel takes it. */
export type KernelMountSpec =
  | {
      readonly type: 'idbfs';
      readonly source?: string;
      readonly options?: IdbfsMountOptions & KernelMountOptions;
    }
  | { readonly type: 'tmpfs'; readonly options?: TmpfsOptions & KernelMountOptions }
  | { readonly type: 'devfs'; readonly options?: KernelMountOptions }
  | {
      readonly type: 'gofer';
      readonly source: string;
      readonly options?: GoferOptions & KernelMountOptions;
    }
  | { readonly type: 'bind'; readonly source: string; readonly options?: KernelMountOptions };

export interface IdbfsMountOptions {
  readonly cacheSize?: number;
  readonly dirtyLimit?: number;
  readonly commitInterval?: number;
  readonly lockTimeout?: number;
  readonly onDataLoss?: 'fail' | 'format' | 'accept';
  readonly media?: 'mirrored' | 'indexeddb';
  /** Name of the snapshot or clone to mount. Default: the main tree of the store. */
  readonly snapshot?: string;
  readonly sharing?: 'tabs' | 'none';
}

export interface FilesystemTypesOptions {
  readonly clock: Clock;
  readonly devices: Devices;
  readonly fillRandom: (buffer: Uint8Array) => void;
  /** Opens the store of an idbfs. `lock` if it is held already. Errors: StoreError. */
  readonly openStore: (
    source: string,
    options: IdbfsMountOptions,
    lock?: HeldSourceLock,
  ) => Promise<Store>;
  /** What this tab shares with others; undefined: nothing, and a store is one tab's. */
  readonly tabs?: Tabs | undefined;
  /** Opens a link to a gofer; missing: there are none. Errors: those of the link. */
  readonly connectGofer?: ConnectGofer | undefined;
  /** Another tab holds a store than before, or none for the time being. */
  readonly onHolderChanged?: ((source: string, holder: StoreHolder) => void) | undefined;
  /** The link to a server has broken, is there again, or is given up. */
  readonly onLinkChanged?: ((source: string, status: RemoteStatus) => void) | undefined;
}

const LOCK_TIMEOUT_MS_DEFAULT = 5000;

export class FilesystemTypes {
  readonly #options: FilesystemTypesOptions;
  /** Stores in use, or being opened, by name. */
  readonly #shares = new Map<string, Promise<StoreShare>>();
  /** Stores that another tab holds, and those that are being opened together with other tabs. */
  readonly #shared = new Set<string>();
  #nextMinor = 1;

  constructor(options: FilesystemTypesOptions) {
    this.#options = options;
  }

  /**
   * Makes the filesystem of a mount.
   *
   * Errors: EINVAL for options that make no sense; EBUSY if this tree of the store is mounted
   * already; ENOENT for a snapshot, and ENODEV for a type, that there is none of; StoreError, also
   * for a snapshot of a store that another tab holds.
   */
  *make(spec: KernelMountSpec): Op<MountSource> {
    const { clock, devices } = this.#options;
    const dev = makeDev(0, this.#nextMinor++);
    const flags = flagsOf(spec.options);
    switch (spec.type) {
      case 'tmpfs': {
        const filesystem = new Tmpfs({ ...spec.options, dev, clock, devices });
        return { filesystem, root: filesystem.root, source: 'tmpfs', flags };
      }
      case 'devfs': {
        const filesystem = new Devfs({ dev, clock, devices });
        return { filesystem, root: filesystem.root, source: 'devfs', flags };
      }
      case 'idbfs': {
        const source = spec.source ?? 'default';
        const filesystem = yield* this.#openIdbfs(source, dev, spec.options ?? {});
        return { filesystem, root: filesystem.root, source, flags };
      }
      case 'gofer': {
        const { source } = spec;
        const { connectGofer: connect, onLinkChanged, fillRandom } = this.#options;
        if (connect === undefined) throw linuxerr.ENODEV;
        const shown = withoutToken(source);
        const randomBytes = (count: number): Uint8Array => {
          const bytes = new Uint8Array(count);
          fillRandom(bytes);
          return bytes;
        };
        const mounting = { connect, source, dev, clock, devices, randomBytes };
        const filesystem = yield* mountGofer(
          { ...mounting, onLinkChanged: (status) => onLinkChanged?.(shown, status) },
          withoutFlags(spec.options),
        );
        return { filesystem, root: filesystem.root, source: shown, flags };
      }
      default:
        throw linuxerr.ENODEV;
    }
  }

  *#openIdbfs(source: string, dev: number, options: IdbfsMountOptions): Op<Filesystem> {
    const { tabs } = this.#options;
    const isClient = this.#shared.has(source) && !this.#shares.has(source);
    if (options.snapshot !== undefined) {
      if (isClient) throw heldElsewhere(source);
    } else if (isClient) throw linuxerr.EBUSY;
    else if (tabs !== undefined && options.sharing !== 'none' && !this.#shares.has(source)) {
      return yield* this.#openShared(source, { tabs, dev, options });
    }
    return yield* this.#openHeld(source, dev, options);
  }

  /** The main tree, which other tabs may use too. */
  *#openShared(
    source: string,
    { tabs, dev, options }: { tabs: Tabs; dev: number; options: IdbfsMountOptions },
  ): Op<Filesystem> {
    const { clock, onHolderChanged } = this.#options;
    const timeoutMs = options.lockTimeout ?? LOCK_TIMEOUT_MS_DEFAULT;
    const onClosed = (): void => {
      this.#shared.delete(source);
    };
    this.#shared.add(source);
    const shared = openSharedSource({
      tabs,
      source,
      dev,
      clock,
      timeoutMs,
      openHeld: (lock, { keepsOrphans }) =>
        runAsync(this.#openHeld(source, dev, { ...options, keepsOrphans }, lock)),
      unavailable: (why) => unshared(source, why, timeoutMs),
      onHolderChanged: (holder) => onHolderChanged?.(source, holder),
      onPanic: (error) => {
        // A bug: nobody handles this rejection.
        void Promise.reject(error);
      },
      onClosed,
    });
    try {
      const filesystem = yield* waitFor(shared);
      // What this tab holds itself, it knows by its share.
      if (filesystem instanceof Idbfs) onClosed();
      return filesystem;
    } catch (error) {
      onClosed();
      throw error;
    }
  }

  *#openHeld(
    source: string,
    dev: number,
    options: IdbfsMountOptions & { readonly keepsOrphans?: boolean },
    lock?: HeldSourceLock,
  ): Op<Idbfs> {
    const { clock, devices } = this.#options;
    const store = yield* this.#openTree(source, options, lock);
    try {
      const nextTurn = nextMacrotask;
      return yield* Idbfs.mount({ ...options, store, dev, clock, devices, nextTurn });
    } catch (error) {
      yield* store.close();
      throw error;
    }
  }

  /** Mounts of one store share it: its lock and cache are those that the first one asked for. */
  *#openTree(source: string, options: IdbfsMountOptions, lock?: HeldSourceLock): Op<Store> {
    for (;;) {
      const share = yield* waitFor(this.#shareOf(source, options, lock));
      // Its last user may just have gone.
      if (!share.isClosed) return yield* share.open(options.snapshot);
    }
  }

  /**
   * Opens the store of a source that nobody has mounted. Whoever gets it closes it.
   *
   * Errors: EBUSY if it is mounted; StoreError.
   */
  *openUnmounted(source: string): Op<Store> {
    yield* this.checkUnmounted(source);
    return yield* waitFor(this.#options.openStore(source, {}));
  }

  /** Errors: EBUSY if it is mounted. */
  *checkUnmounted(source: string): Op<void> {
    if (this.#shared.has(source)) throw linuxerr.EBUSY;
    const opening = this.#shares.get(source);
    if (opening === undefined) return;
    const isMounted = opening.then(
      ({ isClosed }) => !isClosed,
      () => false,
    );
    if (yield* waitFor(isMounted)) throw linuxerr.EBUSY;
  }

  #shareOf(source: string, options: IdbfsMountOptions, lock?: HeldSourceLock): Promise<StoreShare> {
    const present = this.#shares.get(source);
    if (present !== undefined) return present;
    const forget = (): void => {
      if (this.#shares.get(source) === opening) this.#shares.delete(source);
    };
    const opening = this.#options
      .openStore(source, options, lock)
      .then((store) => new StoreShare(store, forget));
    this.#shares.set(source, opening);
    opening.catch(forget);
    return opening;
  }
}

function heldElsewhere(source: string): StoreError {
  return new StoreError(
    'locked',
    `Another tab or worker of this site holds the filesystem "${source}", of which this one is a ` +
      'client: its snapshots can be mounted there.',
  );
}

function unshared(source: string, why: 'silent' | 'version', timeoutMs: number): StoreError {
  const reason =
    why === 'version'
      ? "with another version of Burrow, which can't share it. Reload that tab"
      : `and doesn't share it, or is frozen (waited ${timeoutMs / 1000} s for it). Bring it to ` +
        'the front, close it';
  return new StoreError(
    'locked',
    `Another tab or worker of this site has the filesystem "${source}" open ${reason}, or choose ` +
      'another source.',
  );
}

export function flagsOf(options: KernelMountOptions = {}): MountFlags {
  const { readOnly = false, noatime = false } = options;
  const { nodev = false, noexec = false, nosuid = false } = options;
  return { readOnly, noatime, nodev, noexec, nosuid };
}

/** The options of the filesystem itself. */
function withoutFlags<T extends object>(options: T & KernelMountOptions = {} as T): T {
  const flags = flagsOf();
  const own = Object.entries(options).filter(([name]) => !Object.hasOwn(flags, name));
  return Object.fromEntries(own) as T;
}

/** mount(2)'s arguments as a MountSpec. Errors: ENODEV for an unknown type; EINVAL for `data`. */
export function specOf({ type, source, data, flags }: MountRequest): KernelMountSpec {
  const options = parseData(data);
  switch (type) {
    case 'tmpfs':
      return { type, options: { ...tmpfsOptions(options), ...flags } };
    case 'devfs':
    case 'devtmpfs':
      if (options.size > 0) throw linuxerr.EINVAL;
      return { type: 'devfs', options: flags };
    case 'idbfs':
      return { type, source, options: { ...idbfsOptions(options), ...flags } };
    default:
      throw linuxerr.ENODEV;
  }
}

function parseData(data: string): Map<string, string> {
  const options = new Map<string, string>();
  for (const word of data.split(',').filter((each) => each !== '')) {
    const equals = word.indexOf('=');
    if (equals < 0) throw linuxerr.EINVAL;
    options.set(word.slice(0, equals), word.slice(equals + 1));
  }
  return options;
}

/** As btrfs(5) calls it. Errors: EINVAL. */
function idbfsOptions(options: ReadonlyMap<string, string>): IdbfsMountOptions {
  const { subvol: snapshot, ...others } = Object.fromEntries(options);
  if (Object.keys(others).length > 0) throw linuxerr.EINVAL;
  return snapshot === undefined ? {} : { snapshot };
}

/** tmpfs(5). Errors: EINVAL. */
function tmpfsOptions(options: ReadonlyMap<string, string>): TmpfsOptions {
  const result: Record<string, number | string> = {};
  for (const [name, value] of options) {
    switch (name) {
      case 'size':
        result['size'] = value;
        break;
      case 'nr_inodes':
        result['nrInodes'] = parseNumber(value, 10);
        break;
      case 'mode':
        result['mode'] = parseNumber(value, 8);
        break;
      case 'uid':
      case 'gid':
        result[name] = parseNumber(value, 10);
        break;
      default:
        throw linuxerr.EINVAL;
    }
  }
  return result;
}

function parseNumber(text: string, radix: 8 | 10): number {
  if (!(radix === 8 ? /^[0-7]+$/ : /^\d+$/).test(text)) throw linuxerr.EINVAL;
  return parseInt(text, radix);
}
