// What WASI knows of a descriptor beyond what the kernel does: rights, preopens, and listings under
// way.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { linuxerr } from '../abi/errno.ts';
import type { DirentRecord } from '../syscalls/table.ts';

export interface Preopen {
  /** The path the program sees. */
  readonly name: string;
  /** It is the root of the task: nothing lies outside of it. */
  readonly isRoot: boolean;
}

export interface Rights {
  base: bigint;
  inheriting: bigint;
}

export interface Descriptor {
  rights: Rights;
  /** Rights given up with fd_fdstat_set_rights, by this descriptor or one it was opened through. */
  refused: Rights;
  preopen: Preopen | undefined;
  /** Entries fetched and not yet handed out, and the cookie at which they start. */
  listing: { cookie: number; entries: readonly DirentRecord[]; isEnd: boolean } | undefined;
}

const BITS = {
  FD_DATASYNC: wasi.RIGHTS_FD_DATASYNC,
  FD_READ: wasi.RIGHTS_FD_READ,
  FD_SEEK: wasi.RIGHTS_FD_SEEK,
  FD_FDSTAT_SET_FLAGS: wasi.RIGHTS_FD_FDSTAT_SET_FLAGS,
  FD_SYNC: wasi.RIGHTS_FD_SYNC,
  FD_TELL: wasi.RIGHTS_FD_TELL,
  FD_WRITE: wasi.RIGHTS_FD_WRITE,
  FD_ADVISE: wasi.RIGHTS_FD_ADVISE,
  FD_ALLOCATE: wasi.RIGHTS_FD_ALLOCATE,
  FD_FILESTAT_GET: wasi.RIGHTS_FD_FILESTAT_GET,
  FD_FILESTAT_SET_SIZE: wasi.RIGHTS_FD_FILESTAT_SET_SIZE,
  FD_FILESTAT_SET_TIMES: wasi.RIGHTS_FD_FILESTAT_SET_TIMES,
  POLL_FD_READWRITE: wasi.RIGHTS_POLL_FD_READWRITE,
};

const NOTHING_REFUSED: Rights = { base: 0n, inheriting: 0n };

export const RIGHT_READ = BigInt(BITS.FD_READ);
export const RIGHT_WRITE = BigInt(BITS.FD_WRITE);

/** Everything that can be done with a file. */
export const FILE_RIGHTS = Object.values(BITS).reduce((all, bit) => all | BigInt(bit), 0n);
/** Every right there is: bits 0 to 29. */
export const ALL_RIGHTS = (1n << 30n) - 1n;
/** A terminal: a file that can't be positioned. wasi-libc's isatty() looks for exactly that. */
export const TERMINAL_RIGHTS = FILE_RIGHTS & ~(BigInt(BITS.FD_SEEK) | BigInt(BITS.FD_TELL));

interface DescriptorOptions {
  readonly preopen?: Preopen | undefined;
  readonly refused?: Rights;
}

export class Descriptors {
  readonly #byFd = new Map<number, Descriptor>();

  find(fd: number): Descriptor | undefined {
    return this.#byFd.get(fd);
  }

  /** The directories the program was given, as far as they are still open. */
  get preopens(): { readonly fd: number; readonly name: string }[] {
    return [...this.#byFd].flatMap(([fd, { preopen }]) =>
      preopen === undefined ? [] : [{ fd, name: preopen.name }],
    );
  }

  /** The program has been given the whole tree. */
  get hasRoot(): boolean {
    for (const { preopen } of this.#byFd.values()) {
      if (preopen?.isRoot === true && preopen.name === '/') return true;
    }
    return false;
  }

  add(fd: number, rights: Rights, options: DescriptorOptions = {}): void {
    const { preopen, refused = NOTHING_REFUSED } = options;
    this.#byFd.set(fd, { rights, refused, preopen, listing: undefined });
  }

  /**
   * Rights asked for when a file is opened choose its access mode and limit nothing else, as
   * programs expect; those a program has given up are gone. Errors: ENOTCAPABLE.
   */
  check(fd: number, right: number): void {
    const refused = this.#byFd.get(fd)?.refused.base ?? 0n;
    if (refused !== 0n && (refused & BigInt(right)) !== 0n) throw linuxerr.ENOTCAPABLE;
  }

  delete(fd: number): void {
    this.#byFd.delete(fd);
  }

  move(from: number, to: number): void {
    const descriptor = this.#byFd.get(from);
    this.#byFd.delete(from);
    this.#byFd.delete(to);
    if (descriptor !== undefined) this.#byFd.set(to, descriptor);
  }
}
