// Names that are made, removed, listed and followed at the same time.

import { AT_FDCWD, O_CREAT, O_RDWR } from '../../src/abi/fcntl.ts';
import {
  bind,
  create,
  link,
  list,
  mkdir,
  mount,
  open,
  openDirectory,
  rename,
  rmdir,
  stat,
  symlink,
  umount,
  unlink,
} from './calls.ts';
import type { Scenario } from './scenario.ts';
import { act } from '../support/history/action.ts';

export const NAMES: readonly Scenario[] = [
  {
    title: 'a file that is unlinked gets another name before, or none',
    tree: [create('/f'), create('/x')],
    programs: [[link('/f', '/g')], [unlink('/f')]],
    commitsMax: 1,
  },
  {
    title: 'a file that a rename replaces gets another name before, or none',
    tree: [create('/f'), create('/n')],
    programs: [[link('/f', '/g')], [rename('/n', '/f')]],
  },
  {
    title: 'two links to one file count twice',
    tree: [create('/f'), mkdir('/a')],
    programs: [[link('/f', '/a/g')], [link('/f', '/a/h')], [unlink('/f')]],
  },
  {
    title: 'open with O_CREAT opens what is there or makes it anew',
    tree: [mkdir('/a'), create('/a/f')],
    programs: [[open('/a/f', O_RDWR | O_CREAT)], [unlink('/a/f')]],
  },
  {
    title: 'of two opens with O_CREAT | O_EXCL, one makes the file',
    tree: [mkdir('/a')],
    programs: [[create('/a/f')], [create('/a/f')]],
  },
  {
    title: 'of two opens with O_CREAT | O_EXCL that wait for a third, one makes the file',
    tree: [mkdir('/a')],
    programs: [[create('/a/x')], [create('/a/f')], [create('/a/f')]],
  },
  {
    title: 'two opens with O_CREAT open one file',
    tree: [mkdir('/a')],
    programs: [[open('/a/f', O_RDWR | O_CREAT)], [open('/a/f', O_RDWR | O_CREAT)]],
  },
  {
    title: 'a listing has what is there all the time, once',
    tree: [mkdir('/a'), create('/a/1'), create('/a/2'), create('/a/3')],
    opened: [openDirectory('/a')],
    programs: [[list(0)], [create('/a/n'), unlink('/a/1')]],
  },
  {
    title: 'a listing has what is committed while it is read',
    tree: [mkdir('/a'), create('/a/1'), create('/a/2'), create('/a/3')],
    opened: [openDirectory('/a')],
    programs: [[create('/a/n'), list(0)]],
    commitsMax: 1,
  },
  {
    title: 'a name that is committed while it is looked for is found',
    tree: [mkdir('/a'), create('/a/1'), create('/a/2')],
    programs: [[stat('/a/n')], [rename('/a/1', '/a/n')]],
    commitsMax: 1,
  },
  {
    title: 'what is changed and committed while it is looked up is as it was changed',
    tree: [create('/f'), create('/x')],
    programs: [
      [act('fchownat', AT_FDCWD, '/f', 5, 5, 0)],
      [act('fchmodat', AT_FDCWD, '/f', 0o600, 0), stat('/x')],
    ],
    commitsMax: 1,
  },
  {
    title: 'a listing has what is renamed at one place or at both',
    tree: [mkdir('/a'), create('/a/1'), create('/a/2'), create('/a/3')],
    opened: [openDirectory('/a')],
    programs: [[list(0)], [rename('/a/1', '/a/n')]],
  },
  {
    title: 'nothing is created in a directory that is removed',
    tree: [mkdir('/a'), mkdir('/a/b')],
    programs: [[rmdir('/a/b')], [create('/a/b/n')]],
  },
  {
    title: 'no directory is made in one that is removed',
    tree: [mkdir('/a'), mkdir('/a/b')],
    programs: [[rmdir('/a/b')], [mkdir('/a/b/n')], [symlink('x', '/a/b/m')]],
  },
  {
    title: 'nothing is created in a directory that is emptied and removed',
    tree: [mkdir('/a'), mkdir('/a/b'), create('/a/b/x')],
    programs: [[unlink('/a/b/x'), rmdir('/a/b')], [create('/a/b/n')]],
  },
  {
    title: 'no directory is made in one that is emptied and removed',
    tree: [mkdir('/a'), mkdir('/a/b'), create('/a/b/x')],
    programs: [[unlink('/a/b/x'), rmdir('/a/b')], [mkdir('/a/b/n')]],
  },
  {
    title: 'a directory is made and removed as often',
    tree: [mkdir('/a')],
    programs: [[mkdir('/a/b'), rmdir('/a/b')], [mkdir('/a/b')]],
  },
  {
    title: 'a symlink that is replaced leads to the old place or the new one',
    tree: [mkdir('/a'), mkdir('/c'), create('/a/f'), symlink('a/f', '/s'), symlink('c/f', '/t')],
    programs: [[open('/s')], [rename('/t', '/s')]],
  },
  {
    title: 'O_CREAT follows a symlink to where it leads when it is followed',
    tree: [mkdir('/a'), symlink('a/f', '/s')],
    programs: [[open('/s', O_RDWR | O_CREAT)], [create('/a/f')], [unlink('/s')]],
  },
  {
    title: 'four files are created in one directory',
    tree: [mkdir('/a')],
    programs: ['1', '2', '3', '4'].map((name) => [create(`/a/${name}`)]),
  },
  {
    title: 'what is open keeps a mount from being unmounted',
    tree: [mkdir('/a'), mkdir('/a/m'), mkdir('/c'), create('/c/f')],
    mounted: [bind('/c', '/a/m')],
    programs: [[umount('/a/m')], [open('/a/m/f', O_RDWR | O_CREAT)]],
  },
  {
    title: 'a walk ends in the mount or beneath it',
    tree: [mkdir('/m'), create('/m/f')],
    programs: [[mount('/m')], [stat('/m/f')], [umount('/m')]],
  },
  {
    title: 'nothing is mounted on a directory that is removed',
    tree: [mkdir('/a'), mkdir('/a/m')],
    programs: [[mount('/a/m')], [rmdir('/a/m')]],
  },
];
