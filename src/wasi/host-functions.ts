// The modules host_fs and host_user, which the uutils of @rivet-dev/agent-os import besides WASI:
// modes, chmod and terminals, which preview1 doesn't know. They take paths as the program was given
// them, not beneath a preopen; a program that wasn't given the whole tree doesn't leave its
// preopens.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { LinuxError, linuxerr } from '../abi/errno.ts';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../abi/fcntl.ts';
import { S_PERMISSIONS } from '../abi/stat.ts';
import type { Op } from '../lib/op.ts';
import { encodeUtf8 } from '../lib/text.ts';
import type { WasiContext } from './context.ts';
import { wasiErrnoOf } from './errno.ts';
import { type GuestPath, locateGuestPath } from './guest-paths.ts';

export interface User {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
  readonly home: string;
}

export class HostFunctions {
  readonly #context: WasiContext;
  readonly #user: User;

  constructor(context: WasiContext, user: User) {
    this.#context = context;
    this.#user = user;
  }

  /** st_mode of the file at a path, 0 on any error. `follow`: of what a symlink points to. */
  *path_mode(pointer: number, length: number, follow: number): Op<number> {
    const { sys } = this.#context;
    try {
      const { dirfd, path, flags } = yield* this.#locate(pointer, length);
      const how = follow === 0 ? AT_SYMLINK_NOFOLLOW : 0;
      const { mode } = yield* sys.fstatat(dirfd, path, how | flags);
      return mode;
    } catch (error) {
      if (error instanceof LinuxError) return 0;
      throw error;
    }
  }

  /**
   * A path as preview1's functions would take it. The program believes its working directory to be
   * "/", so that a path it has made absolute may be a relative one to us.
   */
  *#locate(pointer: number, length: number): Op<GuestPath> {
    const { memory, cwd } = this.#context;
    const path = memory.textAt(pointer, length);
    const whole = cwd === undefined ? path : `/${yield* cwd.locate(path.replace(/^\/+/, ''))}`;
    return locateGuestPath(this.#context, AT_FDCWD, whole);
  }

  /** st_mode of an open file, 0 on any error. */
  *fd_mode(fd: number): Op<number> {
    try {
      return (yield* this.#context.sys.fstat(fd)).mode;
    } catch (error) {
      if (error instanceof LinuxError) return 0;
      throw error;
    }
  }

  /** chmod(2). Returns a WASI errno. */
  *chmod(pointer: number, length: number, mode: number): Op<number> {
    const { sys } = this.#context;
    try {
      const { dirfd, path, flags } = yield* this.#locate(pointer, length);
      yield* sys.fchmodat(dirfd, path, mode & S_PERMISSIONS, flags);
      return wasi.ERRNO_SUCCESS;
    } catch (error) {
      if (error instanceof LinuxError) return wasiErrnoOf(error);
      throw error;
    }
  }

  /** Stores 1 if the descriptor is a terminal, else 0. Returns a WASI errno. */
  *isatty(fd: number, result: number): Op<number> {
    const { memory, sys } = this.#context;
    try {
      memory.setU32(result, 0);
      memory.setU32(result, yield* sys.isatty(fd));
      return wasi.ERRNO_SUCCESS;
    } catch (error) {
      if (error instanceof LinuxError) return wasiErrnoOf(error);
      throw error;
    }
  }

  /**
   * Stores the line of passwd(5) of a user. Only root and the task's own user have one: others give
   * ENOENT.
   */
  *getpwuid(uid: number, pointer: number, length: number, result: number): Op<number> {
    const { memory } = this.#context;
    try {
      const line = encodeUtf8(this.#passwdLine(uid));
      if (line.length > length >>> 0) throw linuxerr.ERANGE;
      memory.bytesAt(pointer, line.length).set(line);
      memory.setU32(result, line.length);
      return wasi.ERRNO_SUCCESS;
    } catch (error) {
      if (error instanceof LinuxError) return wasiErrnoOf(error);
      throw error;
    }
  }

  #passwdLine(uid: number): string {
    const { uid: ownUid, gid, name, home } = this.#user;
    if (uid === ownUid) return `${name}:x:${uid}:${gid}:${name}:${home}:/bin/sh`;
    if (uid === 0) return 'root:x:0:0:root:/root:/bin/sh';
    throw linuxerr.ENOENT;
  }
}
