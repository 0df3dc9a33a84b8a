// HostFile: a file of the host of any type, as a gofer's control FD holds it: nothing of it is open
// for reading or writing. Mirrors gVisor runsc/fsgofer/lisafs.go, controlFDLisa.

import { Buffer } from 'node:buffer';
import { constants } from 'node:fs';
import { linuxerr } from '../abi/errno.ts';
import {
  O_ACCMODE,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../abi/fcntl.ts';
import { XATTR_LIST_MAX, XATTR_NAME_MAX, XATTR_SIZE_MAX } from '../abi/limits.ts';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../abi/stat.ts';
import type { Statx } from '../served/served-file.ts';
import { checkFlags } from './host-arguments.ts';
import type { XattrCalls } from './host-calls.ts';
import { fromHostBytes, hostBytes, type HostName } from './host-name.ts';
import type { HostStatfs } from './host-stat.ts';
import { OpenHostFile } from './open-file.ts';
import type { Place } from './place.ts';
import { type HostSetAttr, type HostSetAttrResult, setAttributes } from './set-attributes.ts';

/** Access mode → the host's, whose numbers need not be Linux's. */
const HOST_ACCESS: Readonly<Record<number, number>> = {
  [O_RDONLY]: constants.O_RDONLY,
  [O_WRONLY]: constants.O_WRONLY,
  [O_RDWR]: constants.O_RDWR,
};

/**
 * The access mode and O_TRUNC of Linux's flags as the host's; all others are no business of the
 * host's. Errors: EINVAL for the access mode 3; for more than 32 bits.
 */
export function hostOpenFlags(flags: number): number {
  checkFlags(flags);
  const access = HOST_ACCESS[flags & O_ACCMODE];
  if (access === undefined) throw linuxerr.EINVAL;
  return access | ((flags & O_TRUNC) === 0 ? 0 : constants.O_TRUNC);
}

export class HostFile {
  readonly place: Place;

  /** The place is the file's from here on. */
  constructor(place: Place) {
    this.place = place;
  }

  /** S_IFMT bits. */
  get type(): number {
    return this.place.identity.type;
  }

  /** The host can give it another name only by one that it has. */
  get isLinkedByName(): boolean {
    return !this.place.isPinned || this.place.host.calls.link === undefined;
  }

  stat(): Promise<Statx> {
    return this.place.stat();
  }

  statfs(): Promise<HostStatfs> {
    return this.place.statfs();
  }

  /**
   * Each attribute is tried, whatever becomes of the others. But none is if one can't be: EINVAL
   * for a negative size, an id that is none, or nanoseconds that are none; EFBIG for a size that is
   * no exact number. Times that the host can't have are the nearest that it can.
   */
  setAttributes(change: HostSetAttr): Promise<HostSetAttrResult> {
    return setAttributes(this.place, change);
  }

  /** Errors: EINVAL if it isn't a symbolic link. */
  async readlink(): Promise<HostName> {
    if (this.type !== S_IFLNK) throw linuxerr.EINVAL;
    return fromHostBytes(await this.place.readlink());
  }

  /**
   * Opens a regular file. Of `flags` the access mode and O_TRUNC count.
   *
   * Errors:
   *  - EISDIR for a directory: HostDirectory.open() lists one.
   *  - EINVAL for a symbolic link.
   *  - EPERM for a FIFO, a socket or a device: to open one does things to the host.
   *  - EAGAIN if somebody on the host has a lease that must be given up first.
   *  - EACCES; EMFILE, ENFILE of the budget; open(2)'s.
   */
  async open(flags: number): Promise<OpenHostFile> {
    const hostFlags = hostOpenFlags(flags);
    if (this.type === S_IFDIR) throw linuxerr.EISDIR;
    if (this.type === S_IFLNK) throw linuxerr.EINVAL;
    if (this.type !== S_IFREG) throw linuxerr.EPERM;
    return new OpenHostFile(await this.place.open(hostFlags), this.place.host.calls);
  }

  /**
   * An extended attribute's value.
   *
   * Errors:
   *  - EOPNOTSUPP if the host's calls are missing, or its filesystem has none.
   *  - ERANGE for a bad name, or if the value has more than `sizeMax` bytes.
   *  - ENODATA if there is none of that name.
   */
  async getXattr(name: HostName, sizeMax = XATTR_SIZE_MAX): Promise<Uint8Array> {
    const calls = this.#xattrCalls;
    const bytes = checkXattrName(name);
    // Asked for nothing, the call would tell the size instead.
    const value = Buffer.alloc(Math.min(Math.max(sizeMax, 1), XATTR_SIZE_MAX));
    const size = await this.place.withPath((path) => calls.get(path, bytes, value));
    if (size > sizeMax) throw linuxerr.ERANGE;
    return new Uint8Array(value.subarray(0, size));
  }

  /**
   * `flags` are XATTR_ bits. The value must stay as it is until it is set.
   * Errors: as getXattr(); EINVAL for unknown flags; E2BIG; EEXIST, ENODATA as the flags say.
   */
  async setXattr(name: HostName, value: Uint8Array, flags: number): Promise<void> {
    const calls = this.#xattrCalls;
    const bytes = checkXattrName(name);
    checkFlags(flags, XATTR_CREATE | XATTR_REPLACE);
    if (value.length > XATTR_SIZE_MAX) throw linuxerr.E2BIG;
    await this.place.withPath((path) => calls.set(path, { name: bytes, value, flags }));
  }

  /** Errors: EOPNOTSUPP. */
  async listXattrs(): Promise<HostName[]> {
    const calls = this.#xattrCalls;
    const buffer = Buffer.alloc(XATTR_LIST_MAX);
    const size = await this.place.withPath((path) => calls.list(path, buffer));
    const names: HostName[] = [];
    let start = 0;
    for (let end = buffer.indexOf(0); end >= 0 && end < size; end = buffer.indexOf(0, start)) {
      names.push(fromHostBytes(buffer.subarray(start, end)));
      start = end + 1;
    }
    return names;
  }

  /** Errors: as getXattr(). */
  async removeXattr(name: HostName): Promise<void> {
    const calls = this.#xattrCalls;
    const bytes = checkXattrName(name);
    await this.place.withPath((path) => calls.remove(path, bytes));
  }

  /** Errors: EOPNOTSUPP if there are none, or a path may lead elsewhere. */
  get #xattrCalls(): XattrCalls {
    const { xattrs } = this.place.host.calls;
    if (xattrs === undefined || !this.place.isPinned) throw linuxerr.EOPNOTSUPP;
    return xattrs;
  }

  /** The file has got another name by a rename that was asked for, or is `name` of `parent` now. */
  moved(parent: HostFile, name: HostName): void {
    this.place.moved(parent.place, name);
  }

  /** Called once; calls under way are waited for. */
  close(): Promise<void> {
    return this.place.close();
  }
}

/** Linux: setxattr(2). Errors: ERANGE if it is empty or too long; EINVAL, EILSEQ. */
function checkXattrName(name: HostName): Buffer {
  const bytes = hostBytes(name);
  if (bytes.length === 0 || bytes.length > XATTR_NAME_MAX) throw linuxerr.ERANGE;
  if (bytes.includes(0)) throw linuxerr.EINVAL;
  return bytes;
}
