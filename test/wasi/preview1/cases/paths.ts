// Paths as text, path_open's flags, and fd_readdir.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { expect } from 'vitest';
import { OURS, type Preview1Case } from '../case.ts';
import { BAD_FD, FAR, NOFOLLOW, type Program, RW } from '../program.ts';

const { OFLAGS_CREAT, OFLAGS_DIRECTORY, OFLAGS_EXCL, OFLAGS_TRUNC } = wasi;

/** Lists a directory with a buffer of `size` bytes, from cookie to cookie. */
async function listBy(p: Program, fd: number, size: number): Promise<string[]> {
  const names: string[] = [];
  let cookie = 0n;
  for (;;) {
    const { used, entries } = await p.readdir(fd, size, cookie);
    names.push(...entries.map(({ name }) => name));
    if (used < size) return names;
    const last = entries.at(-1);
    if (last === undefined) throw new Error(`no entry fits ${size} bytes`);
    cookie = last.next;
  }
}

export const textCases: readonly Preview1Case[] = [
  {
    title: 'a path of 4095 bytes is taken, one of 4096 is NAMETOOLONG',
    node: OURS,
    run: async (p) => {
      await p.createClosed('f');
      expect(await p.statError(p.box, `${'./'.repeat(2047)}f`)).toBe('SUCCESS');
      expect(await p.statError(p.box, `${'./'.repeat(2047)}.f`)).toBe('NAMETOOLONG');
      expect(await p.statError(p.box, 'é'.repeat(2048))).toBe('NAMETOOLONG');
    },
  },
  {
    title: 'a name of 255 bytes is taken, one of 256 is NAMETOOLONG',
    node: OURS,
    run: async (p) => {
      await p.createClosed('x'.repeat(255));
      expect(await p.openError(p.box, 'x'.repeat(256), { oflags: OFLAGS_CREAT })).toBe(
        'NAMETOOLONG',
      );
      expect(await p.path('path_create_directory', p.box, 'é'.repeat(128))).toBe('NAMETOOLONG');
    },
  },
  {
    title: 'a NUL in a path is INVAL, bytes that are no UTF-8 are ILSEQ',
    node: OURS,
    run: async (p) => {
      await p.createClosed('f');
      expect(await p.statError(p.box, 'f\0')).toBe('INVAL');
      expect(await p.statError(p.box, '\0')).toBe('INVAL');
      for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0x66, 0xc3]]) {
        expect(await p.statError(p.box, new Uint8Array(bytes))).toBe('ILSEQ');
      }
      await p.createClosed('\ufefff');
      expect(await p.outside.list('/box')).toEqual(['f', '\ufefff']);
    },
  },
  {
    title: 'an empty path is NOENT for every function',
    node: OURS,
    run: async (p) => {
      await p.createClosed('f');
      const [empty, f] = [p.text(''), p.text('f')];
      expect(await p.openError(p.box, '')).toBe('NOENT');
      expect(await p.statError(p.box, '')).toBe('NOENT');
      expect(await p.path('path_create_directory', p.box, '')).toBe('NOENT');
      expect(await p.path('path_remove_directory', p.box, '')).toBe('NOENT');
      expect(await p.path('path_unlink_file', p.box, '')).toBe('NOENT');
      expect(await p.call('path_rename', p.box, ...empty, p.box, ...f)).toBe('NOENT');
      expect(await p.call('path_rename', p.box, ...f, p.box, ...empty)).toBe('NOENT');
      expect(await p.call('path_link', p.box, 0, ...empty, p.box, ...f)).toBe('NOENT');
      expect(await p.call('path_symlink', ...empty, p.box, ...f)).toBe('NOENT');
      expect(await p.call('path_symlink', ...f, p.box, ...empty)).toBe('NOENT');
      expect(await p.call('path_readlink', p.box, ...empty, p.result, 8, p.result)).toBe('NOENT');
    },
  },
  {
    title: 'a slash at the end asks for a directory',
    node: OURS,
    run: async (p) => {
      await p.createClosed('f');
      await p.mkdir('d/');
      await p.symlink('d', 'link');
      expect(await p.statError(p.box, 'f/')).toBe('NOTDIR');
      expect(await p.openError(p.box, 'f/')).toBe('NOTDIR');
      expect(await p.path('path_unlink_file', p.box, 'f/')).toBe('NOTDIR');
      expect(await p.path('path_remove_directory', p.box, 'link/')).toBe('NOTDIR');
      expect(await p.openError(p.box, 'new/', { oflags: OFLAGS_CREAT })).toBe('ISDIR');
      expect((await p.stat(p.box, 'link/', NOFOLLOW)).type).toBe(wasi.FILETYPE_DIRECTORY);
      const [from, to] = [p.text('f'), p.text('g/')];
      expect(await p.call('path_rename', p.box, ...from, p.box, ...to)).toBe('NOTDIR');
      expect(await p.path('path_remove_directory', p.box, 'd/')).toBe('SUCCESS');
    },
  },
  {
    title: 'a path beyond the memory is FAULT, and a bad descriptor BADF',
    node: OURS,
    run: async (p) => {
      expect(await p.call('path_create_directory', p.box, FAR, 1)).toBe('FAULT');
      expect(await p.call('path_unlink_file', p.box, p.size - 1, 2)).toBe('FAULT');
      expect(await p.path('path_create_directory', BAD_FD, 'x')).toBe('BADF');
    },
  },
  {
    title: 'path_readlink cuts what has no room, down to nothing',
    node: OURS,
    run: async (p) => {
      await p.symlink('target', 'link');
      expect(await p.readlink(p.box, 'link', 3)).toBe('tar');
      expect(await p.readlink(p.box, 'link', 0)).toBe('');
      const to = p.allocate(8);
      await p.createClosed('f');
      expect(await p.call('path_readlink', p.box, ...p.text('f'), to, 8, p.result)).toBe('INVAL');
    },
  },
];

export const openCases: readonly Preview1Case[] = [
  {
    title: 'path_open with CREAT and DIRECTORY is INVAL and makes nothing',
    node: OURS,
    run: async (p) => {
      await p.mkdir('d');
      for (const path of ['new', 'd']) {
        for (const more of [0, OFLAGS_EXCL]) {
          const oflags = OFLAGS_CREAT | OFLAGS_DIRECTORY | more;
          expect(await p.openError(p.box, path, { oflags })).toBe('INVAL');
        }
      }
      expect(await p.outside.list('/box')).toEqual(['d']);
    },
  },
  {
    title: 'path_open with EXCL alone, or with DIRECTORY, opens what is there',
    node: OURS,
    run: async (p) => {
      await p.mkdir('d');
      expect(await p.openError(p.box, 'd', { oflags: OFLAGS_EXCL })).toBe('SUCCESS');
      expect(await p.openError(p.box, 'd', { oflags: OFLAGS_EXCL | OFLAGS_DIRECTORY })).toBe(
        'SUCCESS',
      );
    },
  },
  {
    title: 'path_open of a directory for writing or truncating is ISDIR',
    node: OURS,
    run: async (p) => {
      await p.mkdir('d');
      expect(await p.openError(p.box, 'd', { rights: RW })).toBe('ISDIR');
      expect(await p.openError(p.box, 'd', { oflags: OFLAGS_TRUNC, rights: RW })).toBe('ISDIR');
    },
  },
  {
    title: 'path_open with flags that are none is INVAL',
    node: OURS,
    run: async (p) => {
      await p.createClosed('f');
      expect(await p.openError(p.box, 'f', { oflags: 16 })).toBe('INVAL');
      expect(await p.openError(p.box, 'f', { fdflags: 32 })).toBe('INVAL');
    },
  },
];

export const readdirCases: readonly Preview1Case[] = [
  {
    title: 'fd_readdir fills a buffer of any size and cuts the last entry there',
    node: OURS,
    run: async (p) => {
      for (const name of ['a', 'bb', 'ccc']) await p.createClosed(name);
      const whole = await p.readdir(p.box);
      for (let size = 0; size <= whole.used; size++) {
        const { used, entries } = await p.readdir(p.box, size);
        expect(used).toBe(size);
        expect(entries).toEqual(whole.entries.slice(0, entries.length));
      }
      expect(whole.entries.map(({ name }) => name).sort()).toEqual(['.', '..', 'a', 'bb', 'ccc']);
    },
  },
  {
    title: 'fd_readdir goes on from any cookie, in any order',
    node: OURS,
    run: async (p) => {
      for (let index = 0; index < 30; index++) await p.createClosed(`name-${index}`);
      const { entries } = await p.readdir(p.box);
      for (const [index, { next }] of [...entries.entries()].reverse()) {
        const rest = await p.readdir(p.box, 4000, next);
        expect(rest.entries).toEqual(entries.slice(index + 1));
      }
      const names = entries.map(({ name }) => name);
      for (const size of [40, 100, 333]) expect(await listBy(p, p.box, size)).toEqual(names);
    },
  },
  {
    title: 'fd_readdir goes on at the right place after names were removed and added',
    node: OURS,
    run: async (p) => {
      for (let index = 0; index < 20; index++) await p.createClosed(`n${index}`);
      const first = await p.readdir(p.box, 200);
      const seen = first.entries.map(({ name }) => name);
      const { next = 0n } = first.entries.at(-1) ?? {};
      for (const name of seen.slice(2)) await p.path('path_unlink_file', p.box, name);
      await p.createClosed('later');
      const rest = (await p.readdir(p.box, 4000, next)).entries.map(({ name }) => name);
      expect(rest.filter((name) => seen.includes(name))).toEqual([]);
      expect(new Set([...seen, ...rest]).size).toBe(rest.includes('later') ? 23 : 22);
    },
  },
  {
    title: 'fd_readdir from the start sees what is there now',
    node: OURS,
    run: async (p) => {
      expect(await p.names(p.box)).toEqual(['.', '..']);
      await p.createClosed('f');
      expect(await p.names(p.box)).toEqual(['.', '..', 'f']);
      await p.path('path_unlink_file', p.box, 'f');
      expect(await p.names(p.box)).toEqual(['.', '..']);
    },
  },
];
