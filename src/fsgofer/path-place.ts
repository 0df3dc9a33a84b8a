// PathPlace: a file as the names that led to it, for hosts without /proc and O_PATH.
//
// Before and after each call every directory on the way, and the file, is looked at: none may have
// become a symbolic link or another file. Somebody on the host who puts a symbolic link there after
// the first look, and takes it away before the second, is not noticed. So this is for trees that
// only the gofer's clients and people who may do everything anyway change; clients can't do it, as
// the server makes no change in a directory while another request is about it.

import { Buffer } from 'node:buffer';
import { constants } from 'node:fs';
import { linuxerr } from '../abi/errno.ts';
import { S_IFDIR, S_IFLNK } from '../abi/stat.ts';
import { assert } from '../lib/assert.ts';
import type { Statx } from '../served/served-file.ts';
import { type FdSource, HostFd } from './host-fd.ts';
import { checkName, type HostName, joinPath } from './host-name.ts';
import {
  hostStatOf,
  type HostStatfs,
  hostStatfsOf,
  type Identity,
  identityOf,
  isSameFile,
} from './host-stat.ts';
import { checkMountPoint } from './mount-point.ts';
import { fstat, ftruncate, lstat, open, readlink, realpath, statfs } from './node-fs.ts';
import type { Host, Place, Placed, Undo } from './place.ts';
import { IS_WINDOWS, posixTarget, verbatimPath } from './windows.ts';

const { O_NOFOLLOW, O_NONBLOCK, O_TRUNC } = constants;

/** Where a file is in the tree. */
interface Position {
  readonly parent: PathPlace;
  readonly name: Buffer;
}

export class PathPlace implements Place {
  readonly isPinned = false;
  readonly host: Host;
  readonly identity: Identity;
  /** A path of bytes for the root. */
  #position: Position | Buffer;
  /** Files below may still be in use. */
  #isClosed = false;

  private constructor(host: Host, identity: Identity, position: Position | Buffer) {
    this.host = host;
    this.identity = identity;
    this.#position = position;
  }

  /** A directory by its path, which is followed. Errors: realpath(3)'s; ENOTDIR. */
  static async openRoot(path: string, host: Host): Promise<PathPlace> {
    const followed = await realpath(path);
    const real = IS_WINDOWS ? Buffer.from(verbatimPath(followed.toString())) : followed;
    const identity = identityOf(await lstat(real));
    if (identity.type !== S_IFDIR) throw linuxerr.ENOTDIR;
    return new PathPlace(host, identity, real);
  }

  get #path(): Buffer {
    const position = this.#position;
    if (position instanceof Uint8Array) return position;
    return joinPath(position.parent.#path, position.name);
  }

  /** Errors: ESTALE if the file, or a directory on the way to it, isn't what it was. */
  async #check(): Promise<void> {
    const position = this.#position;
    if (!(position instanceof Uint8Array)) await position.parent.#check();
    const stats = await lstat(this.#path).catch(() => undefined);
    if (stats === undefined || !isSameFile(identityOf(stats), this.identity)) {
      throw linuxerr.ESTALE;
    }
  }

  async withPath<T>(work: (path: Buffer) => Promise<T>, undo?: Undo<T>): Promise<T> {
    assert(!this.#isClosed, 'a place is used after it was closed');
    await this.#check();
    const value = await work(this.#path);
    try {
      await this.#check();
    } catch (error) {
      await undo?.(value);
      throw error;
    }
    return value;
  }

  async withName<T>(
    name: HostName,
    work: (path: Buffer) => Promise<T>,
    undo?: Undo<T>,
  ): Promise<T> {
    const bytes = checkName(name);
    return this.withPath((path) => work(joinPath(path, bytes)), undo);
  }

  async again(host: Host): Promise<Placed> {
    const stat = await this.stat();
    return { place: new PathPlace(host, this.identity, this.#position), stat };
  }

  async stat(): Promise<Statx> {
    const stats = await this.withPath(lstat);
    if (!isSameFile(identityOf(stats), this.identity)) throw linuxerr.ESTALE;
    return hostStatOf(stats);
  }

  async statfs(): Promise<HostStatfs> {
    // statfs() follows links; a link is on the filesystem of its directory.
    const position = this.#position;
    const isLink = this.identity.type === S_IFLNK;
    if (isLink && !(position instanceof Uint8Array)) return position.parent.statfs();
    return hostStatfsOf(await this.withPath(statfs));
  }

  async readlink(): Promise<Buffer> {
    const target = await this.withPath(readlink);
    return IS_WINDOWS ? posixTarget(target) : target;
  }

  async walk(name: HostName, _source?: FdSource): Promise<Placed> {
    const bytes = checkName(name);
    const stats = await this.withPath((path) => lstat(joinPath(path, bytes)));
    const place = new PathPlace(this.host, identityOf(stats), { parent: this, name: bytes });
    await checkMountPoint(this, place);
    return { place, stat: hostStatOf(stats) };
  }

  async adopt(name: HostName, fd: HostFd, _source?: FdSource): Promise<Place> {
    const position = { parent: this, name: checkName(name) };
    return new PathPlace(this.host, identityOf(await fd.use(fstat)), position);
  }

  async open(flags: number, source: FdSource = this.host.budget): Promise<HostFd> {
    // A FIFO that has taken the file's place must not make this wait.
    // Nor must a file be truncated before it is known to be the right one.
    const hostFlags = (flags & ~O_TRUNC) | O_NOFOLLOW | O_NONBLOCK;
    const fd = await this.withPath(
      (path) => HostFd.open(source, () => open(path, hostFlags)),
      (opened) => opened.close(),
    );
    try {
      const stats = await fd.use(fstat);
      if (!isSameFile(identityOf(stats), this.identity)) throw linuxerr.ESTALE;
      if ((flags & O_TRUNC) !== 0) await fd.use((number) => ftruncate(number, 0));
    } catch (error) {
      await fd.close();
      throw error;
    }
    return fd;
  }

  moved(parent: Place, name: HostName): void {
    assert(parent instanceof PathPlace, 'a file has moved to another kind of place');
    this.#position = { parent, name: checkName(name) };
  }

  close(): Promise<void> {
    // A bug is told as other places tell it: by the promise.
    return new Promise((resolve) => {
      assert(!this.#isClosed, 'a place is closed twice');
      this.#isClosed = true;
      resolve();
    });
  }
}
