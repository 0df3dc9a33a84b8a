// rename(2) at the same time as others that look at, or change, what it moves.

import { RENAME_EXCHANGE, RENAME_NOREPLACE } from '../../src/abi/fcntl.ts';
import { create, mkdir, mount, rename, rmdir, stat, unlink } from './calls.ts';
import type { Scenario } from './scenario.ts';

const TWO_DIRECTORIES = [mkdir('/a'), mkdir('/c'), mkdir('/a/b'), mkdir('/c/d')];
const TWO_FILES = [mkdir('/a'), mkdir('/c'), create('/a/b'), create('/c/d')];

export const RENAMES: readonly Scenario[] = [
  {
    title: 'two renames of directories into each other make no cycle',
    tree: TWO_DIRECTORIES,
    programs: [[rename('/a/b', '/c/d/b')], [rename('/c/d', '/a/b/d')]],
  },
  {
    title: 'two renames of parents into each other make no cycle',
    tree: TWO_DIRECTORIES,
    programs: [[rename('/a', '/c/d/a')], [rename('/c', '/a/b/c')]],
  },
  {
    title: 'two renames of directories to each other leave one of them',
    tree: TWO_DIRECTORIES,
    programs: [[rename('/a/b', '/c/d')], [rename('/c/d', '/a/b')]],
  },
  {
    title: 'two renames of files to each other leave one of them',
    tree: TWO_FILES,
    programs: [[rename('/a/b', '/c/d')], [rename('/c/d', '/a/b')]],
  },
  {
    title: 'of two renames of one file, one finds nothing',
    tree: TWO_FILES,
    programs: [[rename('/a/b', '/x')], [rename('/a/b', '/y')]],
  },
  {
    title: 'two renames to one name leave the later file',
    tree: TWO_FILES,
    programs: [[rename('/a/b', '/x')], [rename('/c/d', '/x')]],
  },
  {
    title: 'three renames in a cycle move each file once',
    tree: [create('/a'), create('/b'), create('/c')],
    programs: [[rename('/a', '/b')], [rename('/b', '/c')], [rename('/c', '/a')]],
  },
  {
    title: 'three renames of directories in a cycle of parents make no cycle',
    tree: [mkdir('/a'), mkdir('/b'), mkdir('/c')],
    programs: [[rename('/a', '/b/x')], [rename('/b', '/c/x')], [rename('/c', '/a/x')]],
  },
  {
    title: 'a walk through a directory that is renamed finds the file or nothing',
    tree: [mkdir('/a'), mkdir('/a/b'), create('/a/b/f')],
    programs: [[rename('/a', '/z')], [stat('/a/b/f')]],
  },
  {
    title: 'of two walks, by the old name and the new, each finds the file or nothing',
    isLarge: true,
    tree: [mkdir('/a'), mkdir('/a/b'), create('/a/b/f')],
    programs: [[rename('/a', '/z')], [stat('/a/b/f')], [stat('/z/b/f')]],
  },
  {
    title: 'a walk with ".." through a directory that is renamed ends in one parent or the other',
    tree: [mkdir('/a'), mkdir('/a/b'), mkdir('/c'), create('/a/f'), create('/c/f')],
    programs: [[rename('/a/b', '/c/b')], [stat('/a/b/../f')]],
  },
  {
    title: 'a file is renamed or unlinked, not both',
    tree: TWO_FILES,
    programs: [[rename('/a/b', '/c/e')], [unlink('/a/b')]],
  },
  {
    title: 'what a rename puts into the place of another file is unlinked with its name',
    tree: TWO_FILES,
    programs: [[rename('/a/b', '/c/d')], [unlink('/c/d')]],
  },
  {
    title: 'a directory is renamed or removed, not both',
    tree: TWO_DIRECTORIES,
    programs: [[rename('/a/b', '/c/e')], [rmdir('/a/b')]],
  },
  {
    title: 'a directory that a rename would replace is removed once',
    tree: TWO_DIRECTORIES,
    programs: [[rename('/a/b', '/c/d')], [rmdir('/c/d')]],
  },
  {
    title: 'nothing is renamed into a directory that is removed',
    tree: [mkdir('/a'), create('/a/b'), mkdir('/c')],
    programs: [[rename('/a/b', '/c/e')], [rmdir('/c')]],
  },
  {
    title: 'nothing is renamed into a directory that is emptied and removed',
    tree: [mkdir('/a'), mkdir('/a/b'), mkdir('/c'), create('/c/x')],
    programs: [[rename('/a/b', '/c/e')], [unlink('/c/x'), rmdir('/c')]],
  },
  {
    title: 'the directory a file is moved out of is removed only when it is empty',
    tree: [mkdir('/a'), create('/a/b'), mkdir('/c')],
    programs: [[rename('/a/b', '/c/e')], [rmdir('/a')]],
  },
  {
    title: 'what is created in a directory that is renamed goes with it',
    tree: TWO_DIRECTORIES,
    programs: [[rename('/a/b', '/c/e')], [create('/a/b/n')]],
  },
  {
    title: 'a rename replaces no directory in which something is created',
    tree: TWO_DIRECTORIES,
    programs: [[rename('/a/b', '/c/d')], [create('/c/d/n')]],
  },
  {
    title: 'RENAME_NOREPLACE replaces nothing that is created meanwhile',
    tree: TWO_FILES,
    programs: [[rename('/a/b', '/c/e', RENAME_NOREPLACE)], [create('/c/e')]],
  },
  {
    title: 'what is a mount point is not renamed',
    tree: TWO_DIRECTORIES,
    programs: [[rename('/a/b', '/c/e')], [mount('/a/b')]],
  },
  {
    title: 'what is a mount point is not replaced by a rename',
    tree: TWO_DIRECTORIES,
    programs: [[rename('/a/b', '/c/d')], [mount('/c/d')]],
  },
  {
    title: 'an exchange and a rename of one of the two leave every file a name',
    tree: [...TWO_FILES, mkdir('/e')],
    programs: [[rename('/a/b', '/c/d', RENAME_EXCHANGE)], [rename('/c/d', '/e/x')]],
  },
  {
    title: 'two exchanges of the same names undo each other',
    tree: [mkdir('/a'), mkdir('/c'), mkdir('/a/b'), create('/c/d')],
    programs: [
      [rename('/a/b', '/c/d', RENAME_EXCHANGE)],
      [rename('/c/d', '/a/b', RENAME_EXCHANGE)],
    ],
  },
];
