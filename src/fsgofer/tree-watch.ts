// TreeWatch: a directory of the host and everything below it, which the host watches only one
// directory at a time.
//
// One that appears is watched first and listed then, and what is in it already is told as made: so
// nothing is missed, and by what was told the event that comes later is known as the same. One that
// moves within the tree keeps its watches, if both ends of the move are told; one that leaves it
// loses them. Nothing of a directory is held open: the way to a new one is walked from the root.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { IN_CREATE, IN_DELETE, IN_ISDIR, IN_MOVED_FROM, IN_MOVED_TO } from '../abi/inotify.ts';
import { S_IFDIR, S_IFMT } from '../abi/stat.ts';
import type { Clock } from '../lib/clock.ts';
import type { ServedEvent, WatchSink } from '../served/served-file.ts';
import type { HostDirectory } from './host-directory.ts';
import type { FdBudget } from './host-fd.ts';
import type { HostDirent } from './open-directory.ts';
import type { HostEvent, HostWatch, HostWatcher } from './host-watcher.ts';
import { fromHostName, toHostName } from './served-name.ts';
import { settleAlone, SharedFile } from './shared-file.ts';

/** What the tree itself has to know. */
const NAMES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
const COMES = IN_CREATE | IN_MOVED_TO;
const GOES = IN_DELETE | IN_MOVED_FROM;
/** How long after a directory has left its place it may still come to another. */
const MOVE_MS = 50;
/** Entries of one look at a directory. */
const BATCH = 256;
/** Events of a directory that is being listed. */
const HELD_MAX = 4096;

/** There may be too many, and the client had better look itself. */
const TOO_MANY: readonly unknown[] = [linuxerr.ENOSPC, linuxerr.EMFILE, linuxerr.ENFILE];

class WatchedDirectory {
  parent: WatchedDirectory | undefined;
  name: string;
  readonly children = new Map<string, WatchedDirectory>();
  watch: HostWatch | undefined;
  /** Told by a listing, before the event. */
  readonly found = new Set<string>();
  /** While it is being listed. */
  held: HostEvent[] | undefined;
  isGone = false;

  constructor(parent: WatchedDirectory | undefined, name: string) {
    this.parent = parent;
    this.name = name;
  }

  /** From the root down. */
  get names(): readonly string[] {
    return this.parent === undefined ? [] : [...this.parent.names, this.name];
  }
}

export interface TreeWatchOptions {
  /** Held until it is closed. */
  readonly root: SharedFile<HostDirectory>;
  readonly mask: number;
  readonly sink: WatchSink;
  readonly watcher: HostWatcher;
  /** Directories that are watched. */
  readonly budget: FdBudget;
  readonly clock: Clock;
}

export class TreeWatch implements HostWatch {
  readonly #options: TreeWatchOptions;
  readonly #root = new WatchedDirectory(undefined, '');
  /** A directory that has left its place: the next event may say where to. */
  #leaving: { readonly cookie: number; readonly directory: WatchedDirectory } | undefined;
  #cancelLeaving: (() => void) | undefined;
  #isClosed = false;

  private constructor(options: TreeWatchOptions) {
    this.#options = options;
  }

  /** Errors: those of the watcher; the budget's. */
  static async open(options: TreeWatchOptions): Promise<TreeWatch> {
    options.root.retain();
    const tree = new TreeWatch(options);
    try {
      await tree.#watch(tree.#root, false);
      return tree;
    } catch (error) {
      await tree.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelLeaving?.();
    const { directory } = this.#leaving ?? {};
    if (directory !== undefined) await this.#unwatch(directory);
    await this.#unwatch(this.#root);
    await this.#options.root.release();
  }

  /** Errors: those of the watcher, of opening and listing it; the budget's. */
  async #watch(directory: WatchedDirectory, isNew: boolean): Promise<void> {
    directory.held = [];
    const { budget, watcher, mask } = this.#options;
    const opened = await this.#open(directory);
    try {
      budget.take();
      try {
        directory.watch = await watcher.watch(opened, mask | NAMES, {
          event: (event) => {
            this.#onEvent(directory, event);
          },
          overflow: () => {
            this.#onOverflow();
          },
        });
      } finally {
        if (directory.watch === undefined) budget.give();
      }
      // It has gone, or the watch was closed, before there was anything to close.
      if (directory.isGone || this.#isClosed) await this.#unwatch(directory);
      await opened.use((file) => this.#look(file, directory, isNew));
    } finally {
      settleAlone(opened.release());
    }
    this.#tellHeld(directory);
  }

  #tellHeld(directory: WatchedDirectory): void {
    const held = directory.held ?? [];
    directory.held = undefined;
    for (const event of held) this.#take(directory, event);
  }

  /** Step by step. Errors: those of a walk. */
  async #open({ names }: WatchedDirectory): Promise<SharedFile<HostDirectory>> {
    let at = this.#options.root.retain();
    for (const name of names) {
      const above = at;
      try {
        const { file } = await above.use((directory) => directory.walk(toHostName(name)));
        const shared = new SharedFile(file);
        if (!shared.isDirectory()) {
          settleAlone(shared.release());
          throw linuxerr.ENOTDIR;
        }
        at = shared;
      } finally {
        settleAlone(above.release());
      }
    }
    return at;
  }

  /** Watches the directories in it; with `isNew` all that is in it is told. */
  async #look(file: HostDirectory, directory: WatchedDirectory, isNew: boolean): Promise<void> {
    const listing = await file.list();
    try {
      for (;;) {
        const entries = await listing.read(BATCH);
        if (entries.length === 0 || directory.isGone || this.#isClosed) return;
        for (const entry of entries) await this.#lookAt(directory, entry, isNew);
      }
    } finally {
      await listing.close();
    }
  }

  async #lookAt(
    directory: WatchedDirectory,
    { name: hostName, stat }: HostDirent,
    isNew: boolean,
  ): Promise<void> {
    const name = fromHostName(hostName);
    const isDirectory = (stat.mode & S_IFMT) === S_IFDIR;
    if (isNew) {
      directory.found.add(name);
      const mask = IN_CREATE | (isDirectory ? IN_ISDIR : 0);
      this.#tell(directory, { mask, cookie: 0, name });
    }
    if (isDirectory) await this.#add(directory, name, isNew);
  }

  /** What can't be watched is left out. */
  async #add(parent: WatchedDirectory, name: string, isNew: boolean): Promise<void> {
    if (parent.children.has(name) || parent.isGone || this.#isClosed) return;
    const directory = new WatchedDirectory(parent, name);
    parent.children.set(name, directory);
    try {
      await this.#watch(directory, isNew);
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      this.#drop(directory);
      if (TOO_MANY.includes(error)) this.#options.sink.overflow();
    }
  }

  #onEvent(directory: WatchedDirectory, event: HostEvent): void {
    const { held } = directory;
    if (directory.isGone || this.#isClosed) return;
    if (held === undefined) this.#take(directory, event);
    else if (held.length < HELD_MAX) held.push(event);
    else this.#options.sink.overflow();
  }

  #take(directory: WatchedDirectory, { mask, cookie, name: hostName }: HostEvent): void {
    const name = hostName === '' ? '' : fromHostName(hostName);
    if (directory.isGone || this.#isClosed) return;
    // What happens to a directory in the tree, the one above it tells.
    if (name === '' && directory !== this.#root) return;
    const isMove = (mask & IN_MOVED_TO) !== 0 && this.#leaving?.cookie === cookie;
    if (!isMove) this.#settleLeaving();
    const wasFound = (mask & NAMES) !== 0 && directory.found.delete(name);
    if (!wasFound || (mask & COMES) === 0) this.#tell(directory, { mask, cookie, name });
    if ((mask & IN_ISDIR) === 0 || name === '') return;
    if (isMove) this.#arrive(directory, name);
    else if ((mask & GOES) !== 0) this.#leave(directory, name, { mask, cookie, name });
    else if ((mask & COMES) !== 0) settleAlone(this.#add(directory, name, true));
  }

  #tell(directory: WatchedDirectory, { name, ...event }: ServedEvent): void {
    const { mask, sink } = this.#options;
    if ((event.mask & mask) === 0) return;
    const names = name === '' ? directory.names : [...directory.names, name];
    sink.event({ ...event, name: names.join('/') });
  }

  #leave(parent: WatchedDirectory, name: string, { mask, cookie }: ServedEvent): void {
    const directory = parent.children.get(name);
    if (directory === undefined) return;
    parent.children.delete(name);
    if ((mask & IN_MOVED_FROM) === 0) {
      this.#drop(directory);
      return;
    }
    this.#leaving = { cookie, directory };
    this.#cancelLeaving = this.#options.clock.setTimer(MOVE_MS, () => {
      this.#settleLeaving();
    });
  }

  #arrive(parent: WatchedDirectory, name: string): void {
    const { directory } = this.#leaving ?? {};
    this.#leaving = undefined;
    this.#cancelLeaving?.();
    if (directory === undefined) return;
    // An empty one may have been in its place.
    const replaced = parent.children.get(name);
    if (replaced !== undefined) this.#drop(replaced);
    directory.parent = parent;
    directory.name = name;
    parent.children.set(name, directory);
  }

  /** It came nowhere: it has left the tree. */
  #settleLeaving(): void {
    const { directory } = this.#leaving ?? {};
    this.#leaving = undefined;
    this.#cancelLeaving?.();
    if (directory !== undefined) this.#drop(directory);
  }

  #drop(directory: WatchedDirectory): void {
    const { parent, name } = directory;
    if (parent?.children.get(name) === directory) parent.children.delete(name);
    settleAlone(this.#unwatch(directory));
  }

  /** And all below it. */
  async #unwatch(directory: WatchedDirectory): Promise<void> {
    const all = [directory];
    // It grows meanwhile.
    for (const each of all) all.push(...each.children.values());
    for (const each of all) {
      each.isGone = true;
      const { watch } = each;
      each.watch = undefined;
      if (watch === undefined) continue;
      this.#options.budget.give();
      await watch.close();
    }
  }

  /** Directories may have appeared without a word. */
  #onOverflow(): void {
    if (this.#isClosed) return;
    this.#options.sink.overflow();
    settleAlone(this.#lookAgain());
  }

  async #lookAgain(): Promise<void> {
    const all = [this.#root];
    for (const directory of all) {
      all.push(...directory.children.values());
      if (directory.isGone || this.#isClosed) continue;
      const opened = await this.#open(directory);
      try {
        await opened.use((file) => this.#look(file, directory, false));
      } finally {
        settleAlone(opened.release());
      }
    }
  }
}
