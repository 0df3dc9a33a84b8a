// Locks that programs take, and watches on files, while descriptors are closed and names change.

import { F_RDLCK, F_WRLCK, LOCK_EX, LOCK_SH, O_CLOEXEC, O_NONBLOCK } from '../../src/abi/fcntl.ts';
import { IN_ALL_EVENTS } from '../../src/abi/inotify.ts';
import { close, create, lockRange, mkdir, open, rename, rmdir, symlink, unlink } from './calls.ts';
import type { Scenario } from './scenario.ts';
import { act } from '../support/history/action.ts';

const flock = (fd: number, operation: number) => act('flock', fd, operation);
const inotify = act('inotify_init1', O_NONBLOCK | O_CLOEXEC);
const watch = (path: string) => act('inotify_add_watch', 0, path, IN_ALL_EVENTS);

export const LOCKS: readonly Scenario[] = [
  {
    title: 'a flock lock is granted when the descriptor that has it is closed',
    tree: [create('/f')],
    opened: [open('/f')],
    programs: [
      [flock(0, LOCK_EX), close(0)],
      [flock(0, LOCK_EX), close(0)],
      [flock(0, LOCK_SH), close(0)],
    ],
  },
  {
    title: 'a descriptor that is closed while its flock waits keeps no lock',
    tree: [create('/f')],
    opened: [open('/f'), open('/f')],
    isOneTask: true,
    programs: [[flock(0, LOCK_EX), close(0)], [flock(1, LOCK_EX)], [close(1)]],
  },
  {
    title: 'a record lock is granted when the descriptor of its file is closed',
    tree: [create('/f')],
    opened: [open('/f')],
    programs: [
      [lockRange(0, F_WRLCK, 10), close(0)],
      [lockRange(0, F_RDLCK, 20), close(0)],
      [lockRange(0, F_WRLCK, 5), close(0)],
    ],
  },
  {
    title: 'a watch is on the file, whatever it is called by then',
    tree: [mkdir('/a'), mkdir('/c'), create('/a/f'), create('/c/f')],
    opened: [inotify],
    programs: [[watch('/a/f')], [rename('/a/f', '/c/f')]],
  },
  {
    title: 'a watch on a directory tells of what happens in it from then on',
    tree: [mkdir('/a')],
    opened: [inotify],
    programs: [[watch('/a')], [create('/a/n'), unlink('/a/n')]],
  },
  {
    title: 'the events of two renames come in the order of the renames',
    tree: [mkdir('/a'), create('/a/f')],
    opened: [inotify, watch('/a')],
    programs: [[rename('/a/f', '/a/g')], [rename('/a/f', '/a/h')], [symlink('x', '/a/s')]],
  },
  {
    title: 'a watch ends with its file',
    tree: [mkdir('/a'), mkdir('/a/b')],
    opened: [inotify],
    programs: [[watch('/a/b')], [rmdir('/a/b')]],
  },
];
