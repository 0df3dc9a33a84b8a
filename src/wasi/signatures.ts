// The wasm signatures of everything a program may import: one letter a parameter (i: i32, I: i64).
// All but proc_exit return an i32. From them derive the import objects and the adapter of inline
// tasks (wasi/adapter.ts). WASI: preview1 witx. The host_ modules are those of the
// @rivet-dev/agent-os builds of the uutils (wasi/host-functions.ts).

import type { Op } from '../lib/op.ts';

export const PREVIEW1_SIGNATURES = {
  args_get: 'ii',
  args_sizes_get: 'ii',
  environ_get: 'ii',
  environ_sizes_get: 'ii',
  clock_res_get: 'ii',
  clock_time_get: 'iIi',
  fd_advise: 'iIIi',
  fd_allocate: 'iII',
  fd_close: 'i',
  fd_datasync: 'i',
  fd_fdstat_get: 'ii',
  fd_fdstat_set_flags: 'ii',
  fd_fdstat_set_rights: 'iII',
  fd_filestat_get: 'ii',
  fd_filestat_set_size: 'iI',
  fd_filestat_set_times: 'iIIi',
  fd_pread: 'iiiIi',
  fd_prestat_get: 'ii',
  fd_prestat_dir_name: 'iii',
  fd_pwrite: 'iiiIi',
  fd_read: 'iiii',
  fd_readdir: 'iiiIi',
  fd_renumber: 'ii',
  fd_seek: 'iIii',
  fd_sync: 'i',
  fd_tell: 'ii',
  fd_write: 'iiii',
  path_create_directory: 'iii',
  path_filestat_get: 'iiiii',
  path_filestat_set_times: 'iiiiIIi',
  path_link: 'iiiiiii',
  path_open: 'iiiiiIIii',
  path_readlink: 'iiiiii',
  path_remove_directory: 'iii',
  path_rename: 'iiiiii',
  path_symlink: 'iiiii',
  path_unlink_file: 'iii',
  poll_oneoff: 'iiii',
  proc_exit: 'i',
  proc_raise: 'i',
  sched_yield: '',
  random_get: 'ii',
  sock_accept: 'iii',
  sock_recv: 'iiiiii',
  sock_send: 'iiiii',
  sock_shutdown: 'ii',
} as const satisfies Record<string, string>;

export const HOST_SIGNATURES = {
  host_fs: { path_mode: 'iii', fd_mode: 'i', chmod: 'iii' },
  host_user: { isatty: 'ii', getpwuid: 'iiii' },
} as const satisfies Record<string, Record<string, string>>;

export type Preview1Name = keyof typeof PREVIEW1_SIGNATURES;

/** A program's imported function: what it does, as an Op whose value goes back to the program. */
export type GuestFunction = (...args: never[]) => Op<number>;
