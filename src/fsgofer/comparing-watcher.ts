// ComparingWatcher: what happens to files by Node's fs.watch(), which tells that something has
// happened to a name, and not what. So the name's file is looked at, and compared with what it was.
//
// What is done and undone between two looks isn't told, nor who has read a file, and a rename is
// one name that goes and another that comes.

import type { Buffer } from 'node:buffer';
import type { FSWatcher } from 'node:fs';
import { LinuxError } from '../abi/errno.ts';
import {
  IN_ATTRIB,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_ISDIR,
  IN_MODIFY,
} from '../abi/inotify.ts';
import { S_IFDIR, S_IFMT } from '../abi/stat.ts';
import { compareTimespec } from '../lib/clock.ts';
import type { Statx } from '../served/served-file.ts';
import type { HostDirectory } from './host-directory.ts';
import { fromHostBytes, type HostName } from './host-name.ts';
import { atOnce, type HostWatch, type HostWatcher, type HostWatchSink } from './host-watcher.ts';
import { watch } from './node-fs.ts';
import { fromHostName, toHostName } from './served-name.ts';
import { settleAlone, type SharedFile } from './shared-file.ts';

/** Entries of one look at a directory. */
const BATCH = 256;

export class ComparingWatcher implements HostWatcher {
  async watch(file: SharedFile, mask: number, sink: HostWatchSink): Promise<HostWatch> {
    const compared = new ComparedFile(file.retain(), mask, sink);
    try {
      await compared.start();
      return compared;
    } catch (error) {
      await compared.close();
      throw error;
    }
  }
}

class ComparedFile implements HostWatch {
  readonly #file: SharedFile;
  readonly #mask: number;
  readonly #sink: HostWatchSink;
  #watcher: FSWatcher | undefined;
  /** What each name's file was when it was looked at; the file itself by the empty name. */
  readonly #known = new Map<string, Statx>();
  /** Names to be looked at. */
  readonly #pending = new Set<string>();
  #isLooking = false;
  #isClosed = false;

  /** The file is this one's from here on. */
  constructor(file: SharedFile, mask: number, sink: HostWatchSink) {
    this.#file = file;
    this.#mask = mask;
    this.#sink = sink;
  }

  async start(): Promise<void> {
    const onChange = (name: Buffer | undefined): void => {
      this.#onChange(name);
    };
    // First, so that nothing is missed that happens while it is looked at.
    this.#watcher = await this.#file.use(({ place }) =>
      place.withPath(
        (path) => atOnce(() => watch(path, onChange)),
        (watcher) =>
          atOnce(() => {
            watcher.close();
          }),
      ),
    );
    this.#watcher.on('error', () => {
      this.#sink.overflow();
    });
    // What has happened meanwhile is compared afterwards.
    this.#isLooking = true;
    this.#known.set('', await this.#file.use(({ place }) => place.stat()));
    for (const [name, stat] of await this.#list()) this.#known.set(name, stat);
    this.#isLooking = false;
    this.#lookSoon();
  }

  #onChange(name: Buffer | undefined): void {
    if (name === undefined) this.#sink.overflow();
    else if (this.#file.isDirectory()) this.#pending.add(fromHostName(fromHostBytes(name)));
    this.#pending.add('');
    this.#lookSoon();
  }

  async #list(): Promise<[string, Statx][]> {
    if (!this.#file.isDirectory()) return [];
    return this.#file.use(async (directory: HostDirectory) => {
      const listing = await directory.list();
      const entries: [string, Statx][] = [];
      try {
        for (;;) {
          const more = await listing.read(BATCH);
          if (more.length === 0) return entries;
          for (const { name, stat } of more) entries.push([fromHostName(name), stat]);
        }
      } finally {
        await listing.close();
      }
    });
  }

  #lookSoon(): void {
    if (this.#isLooking || this.#isClosed || this.#pending.size === 0) return;
    this.#isLooking = true;
    settleAlone(
      this.#look().finally(() => {
        this.#isLooking = false;
        this.#lookSoon();
      }),
    );
  }

  async #look(): Promise<void> {
    for (const name of [...this.#pending]) {
      this.#pending.delete(name);
      const after = await this.#statOf(name);
      if (this.#isClosed) return;
      const before = this.#known.get(name);
      if (after === undefined) this.#known.delete(name);
      else this.#known.set(name, after);
      this.#compare(name, before, after);
    }
  }

  /** Undefined if there is none. */
  async #statOf(name: string): Promise<Statx | undefined> {
    const file = this.#file;
    try {
      if (name === '') {
        const stat = await file.use(({ place }) => place.stat());
        return stat.nlink === 0 ? undefined : stat;
      }
      if (!file.isDirectory()) return undefined;
      return await file.use((directory: HostDirectory) => directory.statAt(nameOf(name)));
    } catch (error) {
      if (error instanceof LinuxError) return undefined;
      throw error;
    }
  }

  #compare(name: string, before: Statx | undefined, after: Statx | undefined): void {
    const isSame = before !== undefined && after !== undefined && isSameFile(before, after);
    if (!isSame) {
      if (before !== undefined) this.#tell(name === '' ? IN_DELETE_SELF : IN_DELETE, name, before);
      if (after !== undefined && name !== '') this.#tell(IN_CREATE, name, after);
      return;
    }
    const isDirectory = (after.mode & S_IFMT) === S_IFDIR;
    const isModified =
      after.size !== before.size || compareTimespec(after.mtime, before.mtime) !== 0;
    // Of a directory's own names its events tell.
    if (isModified && !isDirectory) this.#tell(IN_MODIFY, name, after);
    else if (!isModified && compareTimespec(after.ctime, before.ctime) !== 0) {
      this.#tell(IN_ATTRIB, name, after);
    }
  }

  #tell(event: number, name: string, { mode }: Statx): void {
    if ((event & this.#mask) === 0) return;
    const isDirectory = (mode & S_IFMT) === S_IFDIR && event !== IN_DELETE_SELF;
    const mask = event | (isDirectory ? IN_ISDIR : 0);
    this.#sink.event({ mask, cookie: 0, name: nameOf(name) });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#watcher?.close();
    await this.#file.release();
  }
}

function nameOf(text: string): HostName {
  return text === '' ? '' : toHostName(text);
}

function isSameFile(a: Statx, b: Statx): boolean {
  return a.ino === b.ino && a.devMajor === b.devMajor && a.devMinor === b.devMinor;
}
