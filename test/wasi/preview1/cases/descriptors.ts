// fd_close, fd_renumber, fd_fdstat_*, fd_prestat_* and rights.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { expect } from 'vitest';
import { decodeUtf8 } from '../../../../src/lib/text.ts';
import { ROOT } from '../burrow-world.ts';
import { differs, OURS, type Preview1Case } from '../case.ts';
import { BAD_FD, type Program, READ, RW, WRITE } from '../program.ts';

const { FDFLAGS_APPEND, FDFLAGS_NONBLOCK, WHENCE_SET } = wasi;
const RIGHT = (bit: number): bigint => BigInt(bit);

function prestat(p: Program, fd: number): Promise<string> {
  return p.call('fd_prestat_get', fd, p.result);
}

async function giveUp(p: Program, fd: number, rights: bigint): Promise<void> {
  const { rights: base, inheriting } = await p.fdstat(fd);
  expect(await p.call('fd_fdstat_set_rights', fd, base & ~rights, inheriting & ~rights)).toBe(
    'SUCCESS',
  );
}

export const prestatCases: readonly Preview1Case[] = [
  {
    title: 'fd_prestat_get and fd_prestat_dir_name tell the name of a preopen, without a NUL',
    run: async (p) => {
      expect(await prestat(p, p.box)).toBe('SUCCESS');
      expect(p.view.getUint8(p.result)).toBe(0);
      expect(p.view.getUint32(p.result + 4, true)).toBe(4);
      const at = p.allocate(8);
      p.bytes(at, 8).fill(1);
      expect(await p.call('fd_prestat_dir_name', p.box, at, 4)).toBe('SUCCESS');
      expect(decodeUtf8(p.bytes(at, 5))).toBe('/box\x01');
    },
  },
  {
    title: 'fd_prestat_dir_name with too little room is NAMETOOLONG and stores nothing',
    node: differs('NOBUFS'),
    run: async (p) => {
      const at = p.allocate(8);
      p.bytes(at, 8).fill(1);
      expect(await p.call('fd_prestat_dir_name', p.box, at, 3)).toBe('NAMETOOLONG');
      expect(await p.call('fd_prestat_dir_name', p.box, at, 0)).toBe('NAMETOOLONG');
      expect([...p.bytes(at, 8)]).toEqual(Array<number>(8).fill(1));
    },
  },
  {
    title: 'fd_prestat_get and fd_prestat_dir_name are BADF for what is no preopen',
    node: differs('INVAL for a descriptor that is open'),
    run: async (p) => {
      const dir = await p.openDir(p.box, '.');
      const file = await p.create('f');
      for (const fd of [dir, file, 1, BAD_FD]) {
        expect(await prestat(p, fd)).toBe('BADF');
        expect(await p.call('fd_prestat_dir_name', fd, p.allocate(8), 8)).toBe('BADF');
      }
    },
  },
  {
    title: 'a preopen that is closed is one no more, and its paths are BADF',
    run: async (p) => {
      await p.close(p.other);
      expect(await prestat(p, p.other)).toBe('BADF');
      expect(await p.statError(p.other, '.')).toBe('BADF');
      expect(await p.call('fd_close', p.other)).toBe('BADF');
      expect(await prestat(p, p.box)).toBe('SUCCESS');
    },
  },
  {
    title: 'a file that gets the number of a closed preopen is no preopen',
    node: differs('the lowest free number is another one'),
    run: async (p) => {
      await p.close(p.other);
      const file = await p.create('f');
      expect(file).toBe(p.other);
      expect(await prestat(p, file)).toBe('BADF');
    },
  },
];

export const renumberCases: readonly Preview1Case[] = [
  {
    title: 'fd_renumber moves a descriptor with its offset onto an open one, which it closes',
    run: async (p) => {
      const from = await p.create('a', 'first');
      const to = await p.create('b', 'second');
      await p.read(from, 2);
      expect(await p.call('fd_renumber', from, to)).toBe('SUCCESS');
      expect(await p.read(to)).toBe('rst');
      expect(await p.call('fd_close', from)).toBe('BADF');
    },
  },
  {
    title: 'fd_renumber onto itself changes nothing',
    run: async (p) => {
      const file = await p.create('a', 'text');
      expect(await p.call('fd_renumber', file, file)).toBe('SUCCESS');
      expect(await p.read(file)).toBe('text');
      expect(await p.call('fd_renumber', p.box, p.box)).toBe('SUCCESS');
    },
  },
  {
    title: 'fd_renumber is BADF if either descriptor is not open, and changes nothing',
    node: differs('a descriptor may be moved to one that is not open'),
    run: async (p) => {
      const file = await p.create('a', 'text');
      expect(await p.call('fd_renumber', file, BAD_FD)).toBe('BADF');
      expect(await p.call('fd_renumber', BAD_FD, file)).toBe('BADF');
      expect(await p.call('fd_renumber', BAD_FD, BAD_FD)).toBe('BADF');
      expect(await p.read(file)).toBe('text');
    },
  },
  {
    title: 'fd_renumber onto a preopen makes it a preopen no more',
    node: differs('its preopens keep their numbers'),
    run: async (p) => {
      const file = await p.create('a', 'text');
      expect(await p.call('fd_renumber', file, p.other)).toBe('SUCCESS');
      expect(await prestat(p, p.other)).toBe('BADF');
      expect(await p.read(p.other)).toBe('text');
      expect(await p.statError(p.other, 'x')).toBe('NOTDIR');
    },
  },
  {
    title: 'fd_renumber from a preopen takes its name along, and its bounds',
    run: async (p) => {
      const file = await p.create('a', 'text');
      expect(await p.call('fd_renumber', p.other, file)).toBe('SUCCESS');
      expect(await prestat(p, p.other)).toBe('BADF');
      expect(await prestat(p, file)).toBe('SUCCESS');
      expect(await p.statError(file, '../secret')).toBe('NOTCAPABLE');
    },
  },
  {
    title: 'fd_renumber from the preopen of the root onto another makes that one the root',
    node: OURS,
    run: async (p) => {
      expect(await p.call('fd_renumber', ROOT, p.other)).toBe('SUCCESS');
      expect(await p.statError(p.other, 'secret')).toBe('SUCCESS');
      expect(await p.statError(p.box, '../secret')).toBe('NOTCAPABLE');
    },
  },
  {
    title: 'fd_renumber onto the preopen of the root gives no one what it had',
    node: OURS,
    run: async (p) => {
      expect(await p.call('fd_renumber', p.box, ROOT)).toBe('SUCCESS');
      expect(await p.statError(ROOT, '../secret')).toBe('NOTCAPABLE');
      expect(await p.statError(ROOT, 'secret')).toBe('NOENT');
    },
  },
];

export const fdstatCases: readonly Preview1Case[] = [
  {
    title: 'fd_fdstat_get tells type and flags',
    node: differs('flags of the machine come through, and none is refused'),
    run: async (p) => {
      const file = await p.open(p.box, 'f', {
        oflags: wasi.OFLAGS_CREAT,
        rights: RW,
        fdflags: FDFLAGS_APPEND,
      });
      expect(await p.fdstat(file)).toMatchObject({ type: 4, flags: FDFLAGS_APPEND });
      expect(await p.fdstat(p.box)).toMatchObject({ type: 3 });
    },
  },
  {
    title: 'fd_fdstat_set_flags sets APPEND and takes it away',
    node: differs('flags of the machine come through, and none is refused'),
    run: async (p) => {
      const file = await p.create('f', 'abc');
      expect(await p.call('fd_fdstat_set_flags', file, FDFLAGS_APPEND)).toBe('SUCCESS');
      await p.write(file, 'def');
      expect(await p.tell(file)).toBe(6n);
      expect(await p.call('fd_fdstat_set_flags', file, 0)).toBe('SUCCESS');
      await p.call('fd_seek', file, 0n, WHENCE_SET, p.result);
      await p.write(file, 'X');
      expect(await p.fdstat(file)).toMatchObject({ flags: 0 });
      await p.call('fd_seek', file, 0n, WHENCE_SET, p.result);
      expect(await p.read(file)).toBe('Xbcdef');
    },
  },
  {
    title: 'fd_fdstat_set_flags sets NONBLOCK, with which an empty stream is AGAIN',
    node: OURS,
    run: async (p) => {
      expect(await p.call('fd_fdstat_set_flags', 0, FDFLAGS_NONBLOCK)).toBe('SUCCESS');
      expect(await p.fdstat(0)).toMatchObject({ flags: FDFLAGS_NONBLOCK });
      const iovs = p.iovecs([p.allocate(8), 8]);
      expect(await p.call('fd_read', 0, ...iovs, p.result)).toBe('AGAIN');
    },
  },
  {
    title: 'fd_fdstat_set_flags with flags that are none is INVAL, of what is not open BADF',
    node: differs('flags of the machine come through, and none is refused'),
    run: async (p) => {
      const file = await p.create('f');
      expect(await p.call('fd_fdstat_set_flags', file, 32)).toBe('INVAL');
      expect(await p.call('fd_fdstat_set_flags', BAD_FD, FDFLAGS_APPEND)).toBe('BADF');
    },
  },
  {
    title: 'a terminal can not be positioned by its rights, also when it is opened by its path',
    node: OURS,
    run: async (p) => {
      const { scene } = p.kernel;
      await p.kernel.task.mkdir('/box/dev');
      await scene.mount('/box/dev', { type: 'devfs' });
      const tty = await p.open(p.box, 'dev/tty', { rights: RW });
      const positions = RIGHT(wasi.RIGHTS_FD_SEEK) | RIGHT(wasi.RIGHTS_FD_TELL);
      for (const fd of [2, tty]) {
        const { type, rights } = await p.fdstat(fd);
        expect(type).toBe(wasi.FILETYPE_CHARACTER_DEVICE);
        expect(rights & positions).toBe(0n);
      }
      const nothing = await p.open(p.box, 'dev/null', { rights: RW });
      expect((await p.fdstat(nothing)).rights & positions).toBe(positions);
    },
  },
];

export const rightsCases: readonly Preview1Case[] = [
  {
    title: 'fd_fdstat_set_rights gives rights up, and they are not to be had back: NOTCAPABLE',
    run: async (p) => {
      const file = await p.create('f', 'text');
      await giveUp(p, file, WRITE);
      const { rights } = await p.fdstat(file);
      expect(rights & RW).toBe(READ);
      expect(await p.call('fd_fdstat_set_rights', file, rights | WRITE, 0n)).toBe('NOTCAPABLE');
      expect(await p.call('fd_fdstat_set_rights', file, rights, 0n)).toBe('SUCCESS');
    },
  },
  {
    title: 'a right that was given up is NOTCAPABLE to use: reading and writing',
    run: async (p) => {
      const file = await p.create('f', 'text');
      const iovs = p.iovecs([p.allocate(8), 8]);
      await giveUp(p, file, WRITE);
      expect(await p.call('fd_write', file, ...iovs, p.result)).toBe('NOTCAPABLE');
      expect(await p.call('fd_pwrite', file, ...iovs, 0n, p.result)).toBe('NOTCAPABLE');
      expect(await p.read(file, 2)).toBe('te');
      await giveUp(p, file, READ);
      expect(await p.call('fd_read', file, ...iovs, p.result)).toBe('NOTCAPABLE');
      expect(await p.call('fd_pread', file, ...iovs, 0n, p.result)).toBe('NOTCAPABLE');
    },
  },
  {
    title: 'a right that was given up is NOTCAPABLE to use: size, times, flags and sync',
    run: async (p) => {
      const file = await p.create('f', 'text');
      await giveUp(p, file, ~RW);
      expect(await p.call('fd_filestat_set_size', file, 1n)).toBe('NOTCAPABLE');
      expect(await p.call('fd_filestat_set_times', file, 1n, 1n, 5)).toBe('NOTCAPABLE');
      expect(await p.call('fd_filestat_get', file, p.result)).toBe('NOTCAPABLE');
      expect(await p.call('fd_fdstat_set_flags', file, 0)).toBe('NOTCAPABLE');
      expect(await p.call('fd_allocate', file, 0n, 1n)).toBe('NOTCAPABLE');
      expect(await p.call('fd_advise', file, 0n, 1n, 0)).toBe('NOTCAPABLE');
      expect(await p.call('fd_sync', file)).toBe('NOTCAPABLE');
      expect(await p.call('fd_datasync', file)).toBe('NOTCAPABLE');
      expect(await p.call('fd_seek', file, 0n, WHENCE_SET, p.result)).toBe('NOTCAPABLE');
      expect(await p.call('fd_tell', file, p.result)).toBe('NOTCAPABLE');
      expect(await p.read(file)).toBe('text');
    },
  },
  {
    title: 'a right that was given up is NOTCAPABLE to use: paths',
    node: differs('a preopen has fewer rights there'),
    run: async (p) => {
      await p.createClosed('f');
      const dir = await p.openDir(p.box, '.');
      await giveUp(p, dir, (1n << 30n) - 1n);
      const [f, g] = [p.text('f'), p.text('g')];
      expect(await p.openError(dir, 'f')).toBe('NOTCAPABLE');
      expect(await p.statError(dir, 'f')).toBe('NOTCAPABLE');
      expect(await p.path('path_create_directory', dir, 'd')).toBe('NOTCAPABLE');
      expect(await p.path('path_remove_directory', dir, 'd')).toBe('NOTCAPABLE');
      expect(await p.path('path_unlink_file', dir, 'f')).toBe('NOTCAPABLE');
      expect(await p.call('path_filestat_set_times', dir, 0, ...f, 0n, 0n, 5)).toBe('NOTCAPABLE');
      expect(await p.call('path_link', dir, 0, ...f, p.box, ...g)).toBe('NOTCAPABLE');
      expect(await p.call('path_link', p.box, 0, ...f, dir, ...g)).toBe('NOTCAPABLE');
      expect(await p.call('path_rename', dir, ...f, p.box, ...g)).toBe('NOTCAPABLE');
      expect(await p.call('path_rename', p.box, ...f, dir, ...g)).toBe('NOTCAPABLE');
      expect(await p.call('path_symlink', ...f, dir, ...g)).toBe('NOTCAPABLE');
      expect(await p.call('path_readlink', dir, ...f, p.result, 8, p.result)).toBe('NOTCAPABLE');
      expect(await p.call('fd_readdir', dir, p.allocate(64), 64, 0n, p.result)).toBe('NOTCAPABLE');
      expect(await p.outside.list('/box')).toEqual(['f']);
    },
  },
  {
    title: 'what a directory may not hand down is NOTCAPABLE to ask for when opening',
    node: differs('a directory has fewer rights to hand down there'),
    run: async (p) => {
      await p.createClosed('f', 'text');
      const dir = await p.openDir(p.box, '.');
      const { rights, inheriting } = await p.fdstat(dir);
      const less = inheriting & ~WRITE;
      expect(await p.call('fd_fdstat_set_rights', dir, rights, less)).toBe('SUCCESS');
      expect(await p.openError(dir, 'f', { rights: RW })).toBe('NOTCAPABLE');
      expect(await p.openError(dir, 'f', { rights: WRITE })).toBe('NOTCAPABLE');
      expect(await p.openError(dir, 'f', { rights: READ })).toBe('SUCCESS');
    },
  },
  {
    title: 'what a directory may not hand down, directories opened in it may not either',
    node: differs('a directory has fewer rights to hand down there'),
    run: async (p) => {
      await p.mkdir('d');
      await p.createClosed('d/f', 'text');
      const dir = await p.openDir(p.box, '.');
      await giveUp(p, dir, WRITE);
      const below = await p.open(dir, 'd', {
        oflags: wasi.OFLAGS_DIRECTORY,
        exactRights: 0n,
        inheriting: 0n,
      });
      expect(await p.openError(below, 'f', { rights: RW })).toBe('NOTCAPABLE');
      const reader = await p.open(below, 'f', { rights: READ });
      expect(await p.read(reader)).toBe('text');
    },
  },
  {
    title: 'a directory opened with few rights is none the worse: they choose the access mode only',
    node: differs('NOTCAPABLE: it takes the rights for more than the access mode'),
    run: async (p) => {
      await p.createClosed('f', 'text');
      const none = { exactRights: 0n, inheriting: 0n };
      const dir = await p.open(p.box, '.', { oflags: wasi.OFLAGS_DIRECTORY, ...none });
      const file = await p.open(dir, 'f', { rights: RW });
      expect(await p.read(file)).toBe('text');
      await p.write(file, '!');
      expect(await p.path('path_create_directory', dir, 'd')).toBe('SUCCESS');
    },
  },
  {
    title: 'fd_fdstat_set_rights is BADF for what is not open, and leaves a preopen one',
    run: async (p) => {
      expect(await p.call('fd_fdstat_set_rights', BAD_FD, 0n, 0n)).toBe('BADF');
      const { rights, inheriting } = await p.fdstat(p.box);
      expect(await p.call('fd_fdstat_set_rights', p.box, rights, inheriting)).toBe('SUCCESS');
      expect(await prestat(p, p.box)).toBe('SUCCESS');
    },
  },
];
