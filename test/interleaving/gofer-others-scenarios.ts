// Two mounts of one server: a program changes what another knows, and is told of it. Calls may have
// old answers until then; once all is told, nobody knows anything that isn't so.

import { AT_FDCWD } from '../../src/abi/fcntl.ts';
import { act } from '../support/history/action.ts';
import { create, list, mkdir, open, openDirectory, pread, pwrite } from './calls.ts';
import { rename, rmdir, stat, symlink, unlink } from './calls.ts';
import type { GoferScenario } from './stepped-gofer.ts';

const SIZE = 40_000;
const TREE = [mkdir('/a'), create('/a/f'), pwrite(0, 1, SIZE, 0), create('/a/g'), mkdir('/c')];
const ELSEWHERE = { tree: TREE, elsewhere: [1] };

export const OTHERS: readonly GoferScenario[] = [
  {
    ...ELSEWHERE,
    title: 'a file that is removed elsewhere is forgotten',
    programs: [[unlink('/a/f')], [stat('/a/f'), open('/a/f')]],
  },
  {
    ...ELSEWHERE,
    title: 'a name that is another file elsewhere is forgotten',
    programs: [[rename('/a/g', '/a/f')], [stat('/a/f'), stat('/a/g')]],
  },
  {
    ...ELSEWHERE,
    title: 'a directory that is moved elsewhere is forgotten with what it has',
    programs: [[rename('/a', '/c/a')], [stat('/a/f'), stat('/c/a/f')]],
  },
  {
    ...ELSEWHERE,
    title: 'a listing has what is made and removed elsewhere',
    opened: [openDirectory('/a')],
    programs: [[create('/a/n'), unlink('/a/g')], [list(0)]],
  },
  {
    ...ELSEWHERE,
    title: 'data that is written elsewhere is read anew',
    opened: [open('/a/f')],
    programs: [[pwrite(0, 2, 5000, 30_000)], [pread(0, SIZE, 0), pread(0, SIZE, 0)]],
  },
  {
    ...ELSEWHERE,
    title: 'a file that is cut elsewhere is as long as it is then',
    opened: [open('/a/f')],
    // What was cut reads as zeros until that is told.
    programs: [[act('ftruncate', 0, 10_000)], [stat('/a/f'), pread(0, 10_000, 0)]],
  },
  {
    ...ELSEWHERE,
    title: 'attributes that are set elsewhere are asked for anew',
    programs: [[act('fchmodat', AT_FDCWD, '/a/f', 0o600, 0)], [stat('/a/f'), stat('/a/f')]],
  },
  {
    ...ELSEWHERE,
    title: 'a directory that is emptied and removed elsewhere is forgotten',
    programs: [
      [unlink('/a/f'), unlink('/a/g'), rmdir('/a')],
      [stat('/a/g'), stat('/a')],
    ],
  },
  {
    title: 'a symlink that is another one elsewhere by the time it is read is forgotten',
    elsewhere: [1],
    tree: [mkdir('/a'), symlink('f', '/a/s'), symlink('g', '/a/t')],
    programs: [[rename('/a/t', '/a/s')], [act('readlinkat', AT_FDCWD, '/a/s', 0)]],
  },
  {
    title: 'a directory that is moved elsewhere while a symlink in it is read is forgotten',
    elsewhere: [1],
    tree: [mkdir('/a'), mkdir('/a/b'), mkdir('/c'), symlink('f', '/a/b/s')],
    programs: [[rename('/a/b', '/c/b')], [act('readlinkat', AT_FDCWD, '/a/b/s', 0)]],
  },
  {
    title: 'a symlink that is moved elsewhere while it is read is forgotten',
    elsewhere: [1],
    tree: [mkdir('/a'), symlink('f', '/a/s')],
    programs: [[rename('/a/s', '/a/z')], [stat('/a'), act('readlinkat', AT_FDCWD, '/a/s', 0)]],
  },
];
