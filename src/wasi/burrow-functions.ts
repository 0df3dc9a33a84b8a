// The import module `burrow`: Linux's file calls that preview1 doesn't have, for C programs through
// burrow.h. One import a row of BURROW_CALLS; parameters and results derive from the table of
// system calls (syscalls/table.ts):
//
//   argument   wasm parameters                      result     what comes back
//   int        i32                                  void       0
//   offset     i64                                  int        the number
//   text       address, length (UTF-8)              offset     0; an i64 at an address given last
//   bytes      address, length                      text       its length; bytes at address, room
//   buffer     address, length                      stat(x)    0; struct statx at an address
//   timespec   address (i64 sec, i32 nsec)          statfs     0; struct burrow_statfs, likewise
//   pollfds    address, count (struct pollfd)       dirents    bytes of struct linux_dirent64
//   flock      address (struct flock), also result  ints       0; i32 each, or revents, in place
//
// A failure is -(4096 + WASI errno): -1 means something else to inline tasks (adapter.ts). An errno
// that WASI doesn't have is Linux's and 4096 more. Paths are the program's own: a program that was
// not given the whole tree doesn't leave its preopens.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import type { Stat, Statfs, Statx } from '../abi/stat.ts';
import type { Op } from '../lib/op.ts';
import { encodeUtf8 } from '../lib/text.ts';
import {
  type ArgumentKind,
  type DirentRecord,
  type Flock,
  type PollFd,
  type ResultKind,
  SYSCALLS,
  type SyscallName,
} from '../syscalls/table.ts';
import { offsetOf, type WasiContext } from './context.ts';
import { wasiErrnoOf } from './errno.ts';
import { brokenPipe } from './exit.ts';
import type { GuestMemory } from './guest-memory.ts';
import { locateGuestPath } from './guest-paths.ts';
import {
  POLLFD_SIZE,
  readFlock,
  readPollfds,
  storeDirents,
  storeFlock,
  storeStatfs,
  storeStatx,
} from './linux-records.ts';
import type { GuestFunction } from './signatures.ts';

/** What can be imported. Reading, writing and closing are preview1's. */
export const BURROW_CALLS = [
  'openat',
  'lseek',
  'fallocate',
  'fchmod',
  'fchmodat',
  'fchown',
  'fchownat',
  'linkat',
  'renameat2',
  'getdents',
  'faccessat',
  'fstatfs',
  'statfs',
  'syncfs',
  'sync',
  'getfl',
  'setfl',
  'dup',
  'dup3',
  'dupfd',
  'getfd',
  'setfd',
  'poll',
  'umask',
  'mknodat',
  'pipe2',
  'flock',
  'setlk',
  'getlk',
  'inotify_init1',
  'inotify_add_watch',
  'inotify_rm_watch',
  'setxattr',
  'getxattr',
  'listxattr',
  'removexattr',
  'fsetxattr',
  'fgetxattr',
  'flistxattr',
  'fremovexattr',
  'copy_file_range',
  'sendfile',
  'mount',
  'umount2',
  'chroot',
  'chdir',
  'fchdir',
  'getcwd',
  'fionread',
  'getpid',
  'statx',
] as const satisfies readonly SyscallName[];

/** Of a path that follows a dirfd, which argument has the flags that confine it. */
const FLAGS_AT: Partial<Record<SyscallName, number>> = {
  openat: 2,
  fchmodat: 3,
  fchownat: 4,
  linkat: 4,
  renameat2: 4,
  faccessat: 3,
  statx: 2,
};
/** Failures are further below zero than this. */
const FAILURE = 4096;
/** Linux's numbers of errors that WASI doesn't have are moved out of the way of WASI's. */
const FOREIGN_ERRNO = 4096;

const PARAMETERS: Readonly<Record<ArgumentKind, string>> = {
  int: 'i',
  offset: 'I',
  text: 'ii',
  timespec: 'i',
  bytes: 'ii',
  buffer: 'ii',
  pollfds: 'ii',
  flock: 'i',
};

const RESULT_PARAMETERS: Readonly<Record<ResultKind, string>> = {
  void: '',
  int: '',
  offset: 'i',
  text: 'ii',
  stat: 'i',
  statx: 'i',
  statfs: 'i',
  dirents: 'i',
  ints: 'i',
  flock: '',
};

/** The wasm signature of an import, one letter a parameter. */
export function burrowSignature(name: SyscallName): string {
  const { args, result } = SYSCALLS[name];
  const parameters = (args as readonly ArgumentKind[]).map((kind) => PARAMETERS[kind]).join('');
  // What poll() finds goes into the structures it was given.
  return parameters + (name === 'poll' ? '' : RESULT_PARAMETERS[result]);
}

type Value = number | bigint;

/** Takes a call's parameters one after the other. */
class Parameters {
  readonly #values: readonly Value[];
  #next = 0;

  constructor(values: readonly Value[]) {
    this.#values = values;
  }

  i32(): number {
    return Number(this.#values[this.#next++]);
  }

  i64(): number {
    return offsetOf(BigInt(this.#values[this.#next++] ?? 0n));
  }
}

export class BurrowFunctions {
  readonly #context: WasiContext;

  constructor(context: WasiContext) {
    this.#context = context;
  }

  function(name: (typeof BURROW_CALLS)[number]): GuestFunction {
    const run = (...values: Value[]): Op<number> => this.#run(name, values);
    return run;
  }

  *#run(name: SyscallName, values: readonly Value[]): Op<number> {
    const { sys, descriptors } = this.#context;
    try {
      const parameters = new Parameters(values);
      const { args, addresses } = this.#take(name, parameters);
      const call = sys[name] as (...all: unknown[]) => Op<unknown>;
      const result = yield* call.apply(sys, this.#confined(name, args));
      // The one call that replaces a descriptor of whose kind preview1's functions may know.
      if (name === 'dup3') descriptors.delete(result as number);
      return this.#give(name, result, parameters, addresses);
    } catch (error) {
      if (error === linuxerr.EPIPE) throw brokenPipe();
      if (error instanceof LinuxError) return -(FAILURE + errnoFor(error));
      throw error;
    }
  }

  /** The arguments as the table has them, and where the structures among them are. */
  #take(
    name: SyscallName,
    parameters: Parameters,
  ): { readonly args: unknown[]; readonly addresses: number[] } {
    const { memory } = this.#context;
    const args: unknown[] = [];
    const addresses: number[] = [];
    for (const kind of SYSCALLS[name].args as readonly ArgumentKind[]) {
      const first = kind === 'offset' ? parameters.i64() : parameters.i32();
      if (kind === 'int' || kind === 'offset') {
        args.push(first);
        continue;
      }
      addresses.push(first);
      const isSingle = kind === 'flock' || kind === 'timespec';
      args.push(takeFrom(memory, kind, first, isSingle ? 0 : parameters.i32()));
    }
    return { args, addresses };
  }

  /** Paths are resolved beneath the preopens of a program that wasn't given the whole tree. */
  #confined(name: SyscallName, args: readonly unknown[]): unknown[] {
    const kinds = SYSCALLS[name].args as readonly ArgumentKind[];
    const confined = [...args];
    if (!kinds.includes('text')) return confined;
    const flagsAt = FLAGS_AT[name];
    if (flagsAt === undefined && name !== 'mknodat') {
      // These name no directory to stay beneath.
      if (!this.#context.descriptors.hasRoot) throw linuxerr.ENOTCAPABLE;
      return confined;
    }
    for (const [index, kind] of kinds.entries()) {
      if (kind !== 'text') continue;
      const [from, path] = [confined[index - 1] as number, confined[index] as string];
      const place = locateGuestPath(this.#context, from, path);
      confined[index - 1] = place.dirfd;
      confined[index] = place.path;
      if (flagsAt !== undefined) confined[flagsAt] = (confined[flagsAt] as number) | place.flags;
      // mknodat(2) has no flags that would keep it beneath a directory.
      else if (place.flags !== 0) throw linuxerr.ENOTCAPABLE;
    }
    return confined;
  }

  #give(
    name: SyscallName,
    result: unknown,
    parameters: Parameters,
    addresses: readonly number[],
  ): number {
    const { memory } = this.#context;
    if (name === 'poll') {
      const revents = result as number[];
      for (const [index, bits] of revents.entries()) {
        memory.setU16((addresses[0] ?? 0) + index * POLLFD_SIZE + 6, bits);
      }
      return revents.filter((bits) => bits !== 0).length;
    }
    switch (SYSCALLS[name].result) {
      case 'void':
        return 0;
      case 'int':
        return result as number;
      case 'flock':
        storeFlock(memory, addresses[0] ?? 0, result as Flock);
        return 0;
      case 'offset':
        memory.setU64(parameters.i32(), BigInt(result as number));
        return 0;
      case 'text':
        return giveText(memory, result as string, parameters.i32(), parameters.i32());
      case 'stat':
      case 'statx':
        storeStatx(memory, parameters.i32(), result as Stat & Partial<Statx>);
        return 0;
      case 'statfs':
        storeStatfs(memory, parameters.i32(), result as Statfs);
        return 0;
      case 'dirents':
        return storeDirents(memory, parameters.i32(), result as DirentRecord[]);
      case 'ints': {
        const at = parameters.i32();
        for (const [index, value] of (result as number[]).entries()) {
          memory.setU32(at + index * 4, value);
        }
        return 0;
      }
    }
  }
}

function takeFrom(
  memory: GuestMemory,
  kind: Exclude<ArgumentKind, 'int' | 'offset'>,
  address: number,
  length: number,
): string | Uint8Array | Flock | readonly PollFd[] | { sec: number; nsec: number } {
  switch (kind) {
    case 'text':
      return memory.textAt(address, length);
    case 'bytes':
    case 'buffer':
      return memory.bytesAt(address, length);
    case 'timespec':
      return { sec: offsetOf(memory.u64(address)), nsec: memory.u32(address + 8) };
    case 'pollfds':
      return readPollfds(memory, address, length);
    case 'flock':
      return readFlock(memory, address);
  }
}

/** Errors: ERANGE if there is no room for it. */
function giveText(memory: GuestMemory, text: string, address: number, room: number): number {
  const bytes = encodeUtf8(text);
  if (bytes.length > room >>> 0) throw linuxerr.ERANGE;
  memory.bytesAt(address, bytes.length).set(bytes);
  return bytes.length;
}

function errnoFor(error: LinuxError): number {
  return error === linuxerr.ENODATA ? FOREIGN_ERRNO + error.errno : wasiErrnoOf(error);
}
