// PinnedPlace: a file as an O_PATH descriptor. Linux: open(2), proc(5), path_resolution(7).
//
// Node has no openat(2) and its kin. /proc/self/fd/N is a link that leads to the very file that N
// is, not to a path of it; so /proc/self/fd/N/name is what openat(N, "name") would take, provided
// that it isn't followed: every call made with it ends at a symbolic link or fails there.

import { Buffer } from 'node:buffer';
import { constants } from 'node:fs';
import { linuxerr } from '../abi/errno.ts';
import { O_PATH } from '../abi/fcntl.ts';
import { S_IFLNK } from '../abi/stat.ts';
import { assertDefined } from '../lib/assert.ts';
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
import { fstat, lstat, open, readlink, stat, statfs } from './node-fs.ts';
import type { Host, Place, Placed } from './place.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;

function pathOf(fd: number): Buffer {
  return Buffer.from(`/proc/self/fd/${fd}`);
}

export class PinnedPlace implements Place {
  readonly isPinned = true;
  readonly host: Host;
  readonly identity: Identity;
  readonly #fd: HostFd;
  /** Of a symbolic link, if it can't be read by the descriptor. It never changes. */
  #target: Buffer | undefined;

  private constructor(host: Host, fd: HostFd, identity: Identity) {
    this.host = host;
    this.#fd = fd;
    this.identity = identity;
  }

  /**
   * A directory by its path, which is followed: the one path that is trusted.
   * Errors: open(2)'s; ENOSYS if there is no /proc to find files through.
   */
  static async openRoot(path: string, host: Host): Promise<PinnedPlace> {
    const flags = O_PATH | O_DIRECTORY;
    const { place } = await PinnedPlace.#pin(host, host.budget, () =>
      open(Buffer.from(path), flags),
    );
    try {
      const found = await place.withPath(stat).catch(() => undefined);
      if (found === undefined || !isSameFile(identityOf(found), place.identity)) {
        throw linuxerr.ENOSYS;
      }
    } catch (error) {
      await place.close();
      throw error;
    }
    return place;
  }

  static async #pin(
    host: Host,
    source: FdSource,
    openIt: () => Promise<number>,
  ): Promise<Placed & { readonly place: PinnedPlace }> {
    const fd = await HostFd.open(source, openIt);
    try {
      const stats = await fd.use(fstat);
      return { place: new PinnedPlace(host, fd, identityOf(stats)), stat: hostStatOf(stats) };
    } catch (error) {
      await fd.close();
      throw error;
    }
  }

  withPath<T>(work: (path: Buffer) => Promise<T>): Promise<T> {
    return this.#fd.use((fd) => work(pathOf(fd)));
  }

  async withName<T>(name: HostName, work: (path: Buffer) => Promise<T>): Promise<T> {
    const bytes = checkName(name);
    return this.#fd.use((fd) => work(joinPath(pathOf(fd), bytes)));
  }

  again(host: Host): Promise<Placed> {
    return this.withPath((path) => PinnedPlace.#pin(host, host.budget, () => open(path, O_PATH)));
  }

  async stat(): Promise<Statx> {
    return hostStatOf(await this.#fd.use(fstat));
  }

  statfs(): Promise<HostStatfs> {
    return this.withPath(async (path) => hostStatfsOf(await statfs(path)));
  }

  walk(name: HostName, source: FdSource = this.host.budget): Promise<Placed> {
    // O_PATH opens nothing: no FIFO waits, no device does anything, and no permission is needed.
    return this.withName(name, async (path) => {
      const placed = await PinnedPlace.#pin(this.host, source, () =>
        open(path, O_PATH | O_NOFOLLOW),
      );
      const { place } = placed;
      const isLink = place.identity.type === S_IFLNK;
      try {
        await checkMountPoint(this, place);
        if (isLink && this.host.calls.readlink === undefined) {
          place.#target = await readTarget(path, place.identity);
        }
      } catch (error) {
        await place.close();
        throw error;
      }
      return placed;
    });
  }

  async readlink(): Promise<Buffer> {
    const { readlink: readByFd } = this.host.calls;
    if (this.#target !== undefined) return this.#target;
    return this.#fd.use(assertDefined(readByFd, 'a symbolic link without its target'));
  }

  async adopt(_name: HostName, fd: HostFd, source: FdSource = this.host.budget): Promise<Place> {
    const openIt = (): Promise<number> => fd.use((number) => open(pathOf(number), O_PATH));
    return (await PinnedPlace.#pin(this.host, source, openIt)).place;
  }

  open(flags: number, source: FdSource = this.host.budget): Promise<HostFd> {
    // Or one of few threads waits, 45 seconds by default, for who on the host has a lease on it.
    const hostFlags = flags | O_NONBLOCK;
    return this.withPath((path) => HostFd.open(source, () => open(path, hostFlags)));
  }

  moved(): void {
    // The descriptor has moved with the file.
  }

  close(): Promise<void> {
    return this.#fd.close();
  }
}

/** Errors: ESTALE if the name is another file's by now. */
async function readTarget(path: Buffer, identity: Identity): Promise<Buffer> {
  const target = await readlink(path).catch(() => undefined);
  // The descriptor keeps the inode's number from being given to another file.
  const stats = await lstat(path).catch(() => undefined);
  const isStill = stats !== undefined && isSameFile(identityOf(stats), identity);
  if (target === undefined || !isStill) throw linuxerr.ESTALE;
  return target;
}
