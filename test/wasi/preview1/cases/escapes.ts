// Ways out of a preopen, none of which is one.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { expect } from 'vitest';
import { ROOT } from '../burrow-world.ts';
import { differs, OURS, type Preview1Case } from '../case.ts';
import { FOLLOW, NOFOLLOW, type Program, RW } from '../program.ts';
import { SECRET } from '../world.ts';

type PathCall = (p: Program, dir: number, path: string) => Promise<string>;

const setTimes =
  (lookup: number): PathCall =>
  (p, dir, path) =>
    p.call('path_filestat_set_times', dir, lookup, ...p.text(path), 1n, 1n, 5);

/** Every function that takes a path, in every part of it. */
const CALLS: Readonly<Record<string, PathCall>> = {
  path_open: (p, dir, path) => p.openError(dir, path),
  'path_open without following': (p, dir, path) => p.openError(dir, path, { lookup: NOFOLLOW }),
  'path_open that creates': (p, dir, path) =>
    p.openError(dir, path, { oflags: wasi.OFLAGS_CREAT, rights: RW }),
  'path_open that truncates': (p, dir, path) =>
    p.openError(dir, path, { oflags: wasi.OFLAGS_TRUNC, rights: RW }),
  path_filestat_get: (p, dir, path) => p.statError(dir, path),
  'path_filestat_get without following': (p, dir, path) => p.statError(dir, path, NOFOLLOW),
  path_filestat_set_times: setTimes(FOLLOW),
  'path_filestat_set_times without following': setTimes(NOFOLLOW),
  path_create_directory: (p, dir, path) => p.path('path_create_directory', dir, path),
  path_remove_directory: (p, dir, path) => p.path('path_remove_directory', dir, path),
  path_unlink_file: (p, dir, path) => p.path('path_unlink_file', dir, path),
  path_readlink: (p, dir, path) =>
    p.call('path_readlink', dir, ...p.text(path), p.allocate(64), 64, p.result),
  path_symlink: (p, dir, path) => p.call('path_symlink', ...p.text('f'), dir, ...p.text(path)),
  'path_link from': (p, dir, path) =>
    p.call('path_link', dir, 0, ...p.text(path), p.box, ...p.text('new')),
  'path_link to': (p, dir, path) =>
    p.call('path_link', p.box, 0, ...p.text('f'), dir, ...p.text(path)),
  'path_rename from': (p, dir, path) =>
    p.call('path_rename', dir, ...p.text(path), p.box, ...p.text('new')),
  'path_rename to': (p, dir, path) =>
    p.call('path_rename', p.box, ...p.text('f'), dir, ...p.text(path)),
};

/** Lead out before their last component. */
const WAYS_OUT = [
  '../secret',
  './/.././secret',
  'd/../../secret',
  'd/e/../../../secret',
  '../box/f',
  '../missing/x',
  '/secret',
  '//secret',
  '/box/f',
  'updir/secret',
  'absdir/secret',
  'd/../updir/box/f',
  'chain/secret',
  'deep/secret',
];

/** The box, with links out of it; by the other side, as not all can be made from within. */
async function fill(p: Program): Promise<void> {
  await p.createClosed('f', 'mine');
  await p.mkdir('d');
  await p.mkdir('d/e');
  for (const [target, path] of [
    ['..', '/box/updir'],
    ['/', '/box/absdir'],
    ['d/toup', '/box/chain'],
    ['../updir', '/box/d/toup'],
    ['d/e/../../..', '/box/deep'],
    ['../secret', '/box/up'],
    ['/secret', '/box/abs'],
    ['up', '/box/twice'],
    ['../new', '/box/newup'],
    ['/new', '/box/newabs'],
  ] as const) {
    await p.outside.symlink(target, path);
  }
}

async function expectUntouched(p: Program): Promise<void> {
  expect(await p.outside.read('/secret')).toBe(SECRET);
  const names = (await p.outside.list('/')).filter((name) => name !== 'dev');
  expect(names).toEqual(['box', 'other', 'secret']);
}

const wayOutCases: readonly Preview1Case[] = Object.entries(CALLS).map(([name, call]) => ({
  title: `no path leads ${name} out of a preopen: NOTCAPABLE`,
  node: differs('it joins paths as text, and absolute ones with the preopen'),
  run: async (p) => {
    await fill(p);
    for (const path of WAYS_OUT) expect(await call(p, p.box, path), path).toBe('NOTCAPABLE');
    expect(await p.outside.read('/box/f')).toBe('mine');
    await expectUntouched(p);
  },
}));

const FOLLOWING = [
  'path_open',
  'path_open that creates',
  'path_open that truncates',
  'path_filestat_get',
  'path_filestat_set_times',
];

export const escapeCases: readonly Preview1Case[] = [
  ...wayOutCases,
  ...FOLLOWING.map((name) => ({
    title: `no symlink at the end of a path leads ${name} out of a preopen: NOTCAPABLE`,
    run: async (p: Program) => {
      await fill(p);
      for (const path of ['up', 'abs', 'twice', 'newup', 'newabs', 'updir', 'absdir', 'chain']) {
        expect(await CALLS[name]?.(p, p.box, path), path).toBe('NOTCAPABLE');
      }
      await expectUntouched(p);
    },
  })),
  {
    title: 'path_link that follows does not follow out of a preopen',
    node: OURS,
    run: async (p) => {
      await fill(p);
      for (const path of ['up', 'abs', 'twice']) {
        const to = p.text('new');
        expect(await p.call('path_link', p.box, FOLLOW, ...p.text(path), p.box, ...to)).toBe(
          'NOTCAPABLE',
        );
      }
      expect(await p.statError(p.box, 'new', NOFOLLOW)).toBe('NOENT');
    },
  },
  {
    title: 'a symlink that leads out can be read, renamed and removed itself',
    node: OURS,
    run: async (p) => {
      await fill(p);
      expect(await p.readlink(p.box, 'abs')).toBe('/secret');
      expect(await p.call('path_rename', p.box, ...p.text('up'), p.box, ...p.text('d/x'))).toBe(
        'SUCCESS',
      );
      expect(await p.path('path_unlink_file', p.box, 'd/x')).toBe('SUCCESS');
      await expectUntouched(p);
    },
  },
  {
    title: 'path_symlink refuses an absolute target, but beneath the root of the task',
    node: OURS,
    run: async (p) => {
      const make = (dir: number, path: string): Promise<string> =>
        p.call('path_symlink', ...p.text('/secret'), dir, ...p.text(path));
      expect(await make(p.box, 'link')).toBe('NOTCAPABLE');
      expect(await make(ROOT, 'box/link')).toBe('SUCCESS');
      expect(await p.statError(ROOT, 'box/link')).toBe('SUCCESS');
      expect(await p.statError(p.box, 'link')).toBe('NOTCAPABLE');
    },
  },
  {
    title: 'a directory opened beneath a preopen has bounds of its own',
    node: OURS,
    run: async (p) => {
      await fill(p);
      const dir = await p.openDir(p.box, 'd');
      for (const path of ['..', '../f', 'e/../../f', 'toup', 'toup/secret']) {
        expect(await p.statError(dir, path), path).toBe('NOTCAPABLE');
      }
      expect(await p.statError(dir, 'e/..')).toBe('SUCCESS');
    },
  },
  {
    title: 'a removed directory has no way up and takes no new names',
    node: OURS,
    run: async (p) => {
      await p.mkdir('d');
      const dir = await p.openDir(p.box, 'd');
      expect(await p.path('path_remove_directory', p.box, 'd')).toBe('SUCCESS');
      expect(await p.statError(dir, '..')).toBe('NOTCAPABLE');
      expect(await p.path('path_create_directory', dir, 'x')).toBe('NOENT');
    },
  },
  {
    title: 'a directory that was moved out of the preopen has no way back up',
    node: OURS,
    run: async (p) => {
      await p.mkdir('d');
      await p.mkdir('d/e');
      const dir = await p.openDir(p.box, 'd');
      await p.outside.rename('/box/d', '/other/d');
      expect(await p.statError(dir, 'e/..')).toBe('SUCCESS');
      expect(await p.statError(dir, '..')).toBe('NOTCAPABLE');
      expect(await p.statError(dir, 'e/../../../secret')).toBe('NOTCAPABLE');
    },
  },
  {
    title: 'a walk leads into a mount beneath the preopen, and back, but not further',
    node: OURS,
    run: async (p) => {
      await p.mkdir('m');
      await p.createClosed('f');
      await p.kernel.scene.mount('/box/m', { type: 'tmpfs' });
      await p.createClosed('m/x', 'there');
      expect(await p.statError(p.box, 'm/../f')).toBe('SUCCESS');
      expect(await p.statError(p.box, 'm/../../secret')).toBe('NOTCAPABLE');
      const dir = await p.openDir(p.box, 'm');
      expect(await p.statError(dir, 'x')).toBe('SUCCESS');
      expect(await p.statError(dir, '../f')).toBe('NOTCAPABLE');
      const [from, to] = [p.text('m/x'), p.text('y')];
      expect(await p.call('path_rename', p.box, ...from, p.box, ...to)).toBe('XDEV');
      expect(await p.call('path_link', p.box, 0, ...from, p.box, ...to)).toBe('XDEV');
      await p.close(dir);
    },
  },
  {
    title: 'names are moved and linked from one preopen to another',
    node: OURS,
    run: async (p) => {
      await p.createClosed('f', 'mine');
      const [f, g, h] = [p.text('f'), p.text('g'), p.text('h')];
      expect(await p.call('path_link', p.box, 0, ...f, p.other, ...g)).toBe('SUCCESS');
      expect(await p.call('path_rename', p.box, ...f, p.other, ...h)).toBe('SUCCESS');
      expect(await p.outside.list('/other')).toEqual(['g', 'h']);
    },
  },
  {
    title: '/dev/fd beneath a preopen means descriptors of the program alone',
    node: OURS,
    run: async (p) => {
      const { scene } = p.kernel;
      const stranger = await scene.newActor();
      for (let fd = 0; fd < 40; fd++) await stranger.open('/secret', 0);
      await p.mkdir('dev');
      await scene.mount('/box/dev', { type: 'devfs' });
      expect(await p.openError(p.box, 'dev/fd/30')).toBe('NOENT');
      const mine = await p.create('f', 'mine');
      const again = await p.open(p.box, `dev/fd/${mine}`);
      expect(await p.read(again)).toBe('mine');
      expect(await p.statError(p.box, `dev/fd/${p.box}/../secret`)).toBe('NOTDIR');
    },
  },
];
