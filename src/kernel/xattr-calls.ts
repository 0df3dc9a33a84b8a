// The system calls of extended attributes. Linux: fs/xattr.c. Arguments and results:
// syscalls/table.ts. Errors: man 2, and Filesystem.getXattrAt() and its kin.

import { linuxerr } from '../abi/errno.ts';
import { AT_SYMLINK_NOFOLLOW, XATTR_CREATE, XATTR_REPLACE } from '../abi/fcntl.ts';
import { XATTR_LIST_MAX, XATTR_NAME_MAX, XATTR_SIZE_MAX } from '../abi/limits.ts';
import type { Op } from '../lib/op.ts';
import { encodeUtf8, utf8Length } from '../lib/text.ts';
import { checkFlags, PathCalls } from './path-calls.ts';

export class XattrCalls extends PathCalls {
  *setxattr(
    path: string,
    name: string,
    value: Uint8Array,
    flags: number,
    atFlags: number,
  ): Op<void> {
    checkChange(name, value, flags);
    checkFlags(atFlags, AT_SYMLINK_NOFOLLOW);
    const { vfs, creds } = this.task;
    const change = { name, value, flags };
    yield* this.here(path, atFlags, (operation) => vfs.setXattrAt(creds, operation, change));
  }

  *getxattr(path: string, name: string, value: Uint8Array, atFlags: number): Op<number> {
    checkName(name);
    checkFlags(atFlags, AT_SYMLINK_NOFOLLOW);
    const { vfs, creds } = this.task;
    const found = yield* this.here(path, atFlags, (operation) =>
      vfs.getXattrAt(creds, operation, name),
    );
    return fill(value, found, XATTR_SIZE_MAX);
  }

  *listxattr(path: string, list: Uint8Array, atFlags: number): Op<number> {
    checkFlags(atFlags, AT_SYMLINK_NOFOLLOW);
    const { vfs, creds } = this.task;
    const names = yield* this.here(path, atFlags, (operation) => vfs.listXattrAt(creds, operation));
    return fill(list, encodeList(names), XATTR_LIST_MAX);
  }

  *removexattr(path: string, name: string, atFlags: number): Op<void> {
    checkName(name);
    checkFlags(atFlags, AT_SYMLINK_NOFOLLOW);
    const { vfs, creds } = this.task;
    yield* this.here(path, atFlags, (operation) => vfs.removeXattrAt(creds, operation, name));
  }

  *fsetxattr(fd: number, name: string, value: Uint8Array, flags: number): Op<void> {
    checkChange(name, value, flags);
    const { creds } = this.task;
    yield* this.withFile(fd, (file) => file.setXattr({ name, value, flags }, creds));
  }

  *fgetxattr(fd: number, name: string, value: Uint8Array): Op<number> {
    checkName(name);
    const { creds } = this.task;
    const found = yield* this.withFile(fd, (file) => file.getXattr(name, creds));
    return fill(value, found, XATTR_SIZE_MAX);
  }

  *flistxattr(fd: number, list: Uint8Array): Op<number> {
    const { creds } = this.task;
    const names = yield* this.withFile(fd, (file) => file.listXattr(creds));
    return fill(list, encodeList(names), XATTR_LIST_MAX);
  }

  *fremovexattr(fd: number, name: string): Op<void> {
    checkName(name);
    const { creds } = this.task;
    yield* this.withFile(fd, (file) => file.removeXattr(name, creds));
  }
}

/** Errors: ERANGE. */
function checkName(name: string): void {
  if (name === '' || utf8Length(name) > XATTR_NAME_MAX) throw linuxerr.ERANGE;
}

/** Errors, first one wins: EINVAL for unknown flags; ERANGE for the name; E2BIG for the value. */
function checkChange(name: string, value: Uint8Array, flags: number): void {
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) throw linuxerr.EINVAL;
  checkName(name);
  if (value.length > XATTR_SIZE_MAX) throw linuxerr.E2BIG;
}

/**
 * Copies a result and returns its size, which an empty buffer asks for alone. Errors: ERANGE if it
 * doesn't fit, E2BIG if no buffer could be large enough.
 */
function fill(buffer: Uint8Array, result: Uint8Array, max: number): number {
  if (buffer.length === 0) return result.length;
  if (result.length > buffer.length) {
    throw buffer.length >= max ? linuxerr.E2BIG : linuxerr.ERANGE;
  }
  buffer.set(result);
  return result.length;
}

function encodeList(names: readonly string[]): Uint8Array {
  return encodeUtf8(names.map((name) => `${name}\0`).join(''));
}
