// Instruments: what the code under test does, told to an observer. They are put around methods of
// src once, for this process; without an observer they only pass calls on.
//
// What they report as a place is what operations fill while they only look things up: entries of
// the cache of names, inodes, chunks of data, and the locks. All other changes count as changes of
// everything.

import { ChunkCache } from '../../src/fs/shared/chunk-cache.ts';
import { Changes } from '../../src/fs/idbfs/changes.ts';
import { DentryCache } from '../../src/fs/shared/dentry-cache.ts';
import { Idbfs } from '../../src/fs/idbfs/idbfs.ts';
import { CachedData } from '../../src/fs/shared/cached-data.ts';
import { inodeKey, nameKey } from '../../src/fs/idbfs/items.ts';
import { itemsOf, type NewName, PendingItems } from '../../src/fs/idbfs/pending-items.ts';
import { WriteBack } from '../../src/fs/idbfs/write-back.ts';
import { xattrObject } from '../../src/fs/idbfs/xattr-blob.ts';
import type { Inode, LocalDentry } from '../../src/fs/shared/inode.ts';
import { LocalTree } from '../../src/fs/shared/local-tree.ts';
import { Mutex, type Op } from '../../src/lib/op.ts';
import type { ItemChange } from '../../src/store/store.ts';
import type { ResolvingPath } from '../../src/vfs/resolving-path.ts';
import { FileLocks } from '../../src/locks/file-locks.ts';
import { InotifyInstance } from '../../src/vfs/inotify.ts';
import { Mount } from '../../src/vfs/mount.ts';

export interface Observer {
  read(place: string): void;
  write(place: string): void;
  /** Anything may have changed. */
  writeEverything(): void;
  /** A cache of names or of data is about to make room; `size` is what it holds. */
  evicts(cache: 'names' | 'data', size: number): void;
  itemChanged(key: string, value: Uint8Array | undefined): void;
  inodeChanged(inode: Inode): void;
  lockWanted(mutex: Mutex): void;
  lockTaken(mutex: Mutex): void;
  lockGivenBack(mutex: Mutex): void;
  waitsForStore(access: string, place: string): void;
  /** Runs `task` when the step under way has ended. */
  defer(task: () => void): void;
}

let observer: Observer | undefined;

/** Tells `next` everything from now on. Returns whom it was told before. */
export function observe(next: Observer | undefined): Observer | undefined {
  const before = observer;
  observer = next;
  return before;
}

export function placeOfData(ino: number): string {
  return `data of ${ino}`;
}

/** Which of them it is would differ from one execution to the next. */
const LOCKS = 'locks';

/** Methods by name, some of which are not public. */
type Methods<This> = Record<string, (this: This, ...args: never[]) => unknown>;

/** Puts `wrap(original)` in the place of a method. */
function around<This, Args extends readonly unknown[], Result>(
  prototype: object,
  name: string,
  wrap: (original: (this: This, ...args: Args) => Result) => (this: This, ...args: Args) => Result,
): void {
  const methods = prototype as Methods<This>;
  if (!(name in methods)) throw new Error(`there is no method ${name} to observe any more`);
  const original = methods[name] as unknown as (this: This, ...args: Args) => Result;
  methods[name] = wrap(original) as unknown as Methods<This>[string];
}

/** Tells the observer of each call of a method, before it is made. */
function before<Self, Args extends readonly unknown[]>(
  prototype: object,
  name: string,
  tell: Tell<Self, Args>,
): void {
  around<Self, Args, unknown>(prototype, name, (original) => {
    return function (...args) {
      if (observer !== undefined) tell(observer, this, args);
      return original.call(this, ...args);
    };
  });
}

type Tell<Self, Args> = (told: Observer, self: Self, args: Args) => void;

function watchNames(): void {
  before<LocalTree, [ResolvingPath, LocalDentry]>(LocalTree.prototype, 'step', (told, _, args) => {
    told.read(nameKey(args[1].inode.ino, args[0].component));
  });
  before<LocalTree, [LocalDentry, string]>(LocalTree.prototype, 'child', (told, _, args) => {
    told.read(nameKey(args[0].inode.ino, args[1]));
  });
  before<DentryCache, [LocalDentry]>(DentryCache.prototype, 'add', (told, _, [child]) => {
    const dir = child.parent?.inode.ino ?? 0;
    told.write(nameKey(dir, child.name));
    told.write(inodeKey(child.inode.ino));
  });
  before<DentryCache, []>(DentryCache.prototype, 'evict', (told, self) => {
    told.evicts('names', self.size);
  });
}

/** Who is in a mount that could be unmounted. */
function watchMounts(): void {
  for (const name of ['incRef', 'decRef']) {
    before<Mount, []>(Mount.prototype, name, (told, self) => {
      if (self.point !== undefined) told.write('users of mounts');
    });
  }
}

function watchData(): void {
  for (const name of ['firstMissing', 'insertStored']) {
    before<CachedData, []>(CachedData.prototype, name, (told, self) => {
      told.write(placeOfData(self.ino));
    });
  }
  before<Idbfs, [Inode]>(Idbfs.prototype, 'loadXattrs', (told, _, [inode]) => {
    told.write(placeOfData(xattrObject(inode.ino)));
  });
  before<ChunkCache, []>(ChunkCache.prototype, 'evict', (told, self) => {
    told.evicts('data', self.bytes);
  });
}

function watchChanges(): void {
  before<PendingItems, [NewName]>(PendingItems.prototype, 'addName', (told, _, [name]) => {
    told.writeEverything();
    for (const change of itemsOf([name])) told.itemChanged(...change);
  });
  for (const name of ['putAll', 'beginCommit']) {
    before<PendingItems, [readonly ItemChange[]]>(PendingItems.prototype, name, (told, _, args) => {
      told.writeEverything();
      for (const change of args[0]) told.itemChanged(...change);
    });
  }
  before<PendingItems, [string]>(PendingItems.prototype, 'delete', (told, _, [key]) => {
    told.writeEverything();
    told.itemChanged(key, undefined);
  });
  before<Changes, [Inode]>(Changes.prototype, 'inodeChanged', (told, _, [inode]) => {
    told.writeEverything();
    told.inodeChanged(inode);
  });
  const others: readonly [object, readonly string[]][] = [
    [PendingItems.prototype, ['endCommit']],
    [Changes.prototype, ['dataCut', 'inodeDestroyed', 'commit', 'log']],
    [WriteBack.prototype, ['flush', 'close']],
    [
      FileLocks.prototype,
      ['flock', 'releaseFlock', 'setRange', 'setRangeWaiting', 'releaseRanges'],
    ],
    [InotifyInstance.prototype, ['addWatch', 'removeWatch', 'queue', 'next']],
  ];
  for (const [prototype, names] of others) {
    for (const name of names) {
      before(prototype, name, (told) => {
        told.writeEverything();
      });
    }
  }
}

function watchLocks(): void {
  around<Mutex, [], boolean>(Mutex.prototype, 'tryLock', (original) => {
    return function () {
      observer?.write(LOCKS);
      observer?.lockWanted(this);
      const isTaken = original.call(this);
      if (isTaken) observer?.lockTaken(this);
      return isTaken;
    };
  });
  around<Mutex, [], Op<void>>(Mutex.prototype, 'lock', (original) => {
    return function* () {
      const wasFree = !this.isHeld;
      yield* original.call(this);
      // One that was free was taken with tryLock(); another was handed over.
      if (!wasFree) observer?.lockTaken(this);
    };
  });
  before<Mutex, []>(Mutex.prototype, 'unlock', (told, self) => {
    told.write(LOCKS);
    told.lockGivenBack(self);
  });
}

function watchMicrotasks(): void {
  const original = globalThis.queueMicrotask;
  globalThis.queueMicrotask = (task) => {
    if (observer === undefined) original(task);
    else observer.defer(task);
  };
}

watchNames();
watchMounts();
watchData();
watchChanges();
watchLocks();
watchMicrotasks();
