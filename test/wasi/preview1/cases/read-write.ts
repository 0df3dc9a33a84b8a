// fd_read, fd_pread, fd_write, fd_pwrite, fd_seek and fd_tell.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { expect } from 'vitest';
import { decodeUtf8 } from '../../../../src/lib/text.ts';
import { differs, OURS, type Preview1Case } from '../case.ts';
import { BAD_FD, FAR, type Program, READ, WRITE } from '../program.ts';

const RANGES = 'it answers OVERFLOW or INVAL for a range outside of the memory';
const { WHENCE_SET, WHENCE_CUR, WHENCE_END } = wasi;

/** A read or write through a list of buffers. */
function move(
  p: Program,
  name: 'fd_read' | 'fd_write' | 'fd_pread' | 'fd_pwrite',
  fd: number,
  iovs: readonly [number, number],
): Promise<string> {
  const offset = name.startsWith('fd_p') ? [0n] : [];
  return p.call(name, fd, ...iovs, ...offset, p.result);
}

const ALL = ['fd_read', 'fd_pread', 'fd_write', 'fd_pwrite'] as const;

function seek(p: Program, fd: number, offset: bigint, whence: number): Promise<string> {
  return p.call('fd_seek', fd, offset, whence, p.result);
}

export const bufferCases: readonly Preview1Case[] = [
  {
    title: 'no buffers at all: nothing is moved, and the count is 0',
    run: async (p) => {
      const file = await p.create('f', 'text');
      for (const name of ALL) {
        p.view.setUint32(p.result, 7, true);
        expect(await move(p, name, file, [p.allocate(8), 0]), name).toBe('SUCCESS');
        expect(p.u32, name).toBe(0);
      }
      expect(await p.tell(file)).toBe(0n);
    },
  },
  {
    title: 'buffers without a length are passed over',
    run: async (p) => {
      const file = await p.create('f', 'abcdef');
      const at = p.allocate(8);
      const iovs = p.iovecs([at, 0], [at, 2], [at, 0], [at + 2, 3], [at, 0]);
      expect(await move(p, 'fd_read', file, iovs)).toBe('SUCCESS');
      expect(p.u32).toBe(5);
      expect(decodeUtf8(p.bytes(at, 5))).toBe('abcde');
    },
  },
  {
    title: 'a buffer without a length may point to the end of the memory',
    node: differs(RANGES),
    run: async (p) => {
      const file = await p.create('f', 'abc');
      expect(await move(p, 'fd_read', file, p.iovecs([p.size, 0]))).toBe('SUCCESS');
      expect(await move(p, 'fd_write', file, p.iovecs([p.size, 0]))).toBe('SUCCESS');
    },
  },
  {
    title: 'a list of buffers may end with the memory, and a buffer too',
    run: async (p) => {
      const file = await p.create('f', 'abcdef');
      const list = p.size - 8;
      p.view.setUint32(list, p.size - 11, true);
      p.view.setUint32(list + 4, 3, true);
      expect(await move(p, 'fd_read', file, [list, 1])).toBe('SUCCESS');
      expect(decodeUtf8(p.bytes(p.size - 11, 3))).toBe('abc');
      expect(await move(p, 'fd_write', file, [list, 1])).toBe('SUCCESS');
      expect(await p.fstat(file)).toMatchObject({ size: 6n });
    },
  },
  {
    title: 'a list that goes beyond the memory is FAULT, and nothing is moved',
    node: differs(RANGES),
    run: async (p) => {
      const file = await p.create('f', 'text');
      for (const name of ALL) {
        expect(await move(p, name, file, [p.size - 7, 1]), name).toBe('FAULT');
        expect(await move(p, name, file, [FAR, 1]), name).toBe('FAULT');
        expect(await move(p, name, file, [0, 0x2000_0000]), name).toBe('FAULT');
        expect(await move(p, name, file, [0, -1]), name).toBe('FAULT');
      }
      expect(await p.tell(file)).toBe(0n);
      expect(await p.fstat(file)).toMatchObject({ size: 4n });
    },
  },
  {
    title: 'a bad buffer among good ones is FAULT, and nothing is moved',
    node: differs(RANGES),
    run: async (p) => {
      const file = await p.create('f', 'text');
      const at = p.allocate(8);
      p.bytes(at, 8).fill(0);
      for (const bad of [
        [p.size - 1, 2],
        [FAR, 1],
        [1, -1],
        [-8, 16],
      ] as const) {
        for (const name of ALL) {
          expect(await move(p, name, file, p.iovecs([at, 2], bad, [at, 2])), name).toBe('FAULT');
        }
      }
      expect(await p.tell(file)).toBe(0n);
      expect(decodeUtf8(p.bytes(at, 1))).toBe('\0');
      expect(await p.read(file)).toBe('text');
    },
  },
  {
    title: 'a place for the count beyond the memory is FAULT, and nothing is moved',
    node: differs(RANGES),
    run: async (p) => {
      const file = await p.create('f', 'text');
      const iovs = p.iovecs(p.text('new'));
      for (const at of [p.size - 3, FAR]) {
        expect(await p.call('fd_write', file, ...iovs, at)).toBe('FAULT');
        expect(await p.call('fd_pwrite', file, ...iovs, 0n, at)).toBe('FAULT');
        expect(await p.call('fd_read', file, ...iovs, at)).toBe('FAULT');
        expect(await p.call('fd_pread', file, ...iovs, 0n, at)).toBe('FAULT');
      }
      expect(await p.read(file)).toBe('text');
    },
  },
  {
    title: 'buffers that overlap are filled one after the other',
    run: async (p) => {
      const file = await p.create('f', 'abcdef');
      const at = p.allocate(8);
      expect(await move(p, 'fd_read', file, p.iovecs([at, 4], [at + 2, 2]))).toBe('SUCCESS');
      expect(p.u32).toBe(6);
      expect(decodeUtf8(p.bytes(at, 4))).toBe('abef');
    },
  },
  {
    title: 'buffers that overlap are written as often as they are named',
    run: async (p) => {
      const file = await p.create('f');
      const [at] = p.text('abcd');
      expect(await move(p, 'fd_write', file, p.iovecs([at, 4], [at + 1, 2], [at, 1]))).toBe(
        'SUCCESS',
      );
      await seek(p, file, 0n, WHENCE_SET);
      expect(await p.read(file)).toBe('abcdbca');
    },
  },
  {
    title: 'the list itself may be read over',
    run: async (p) => {
      const file = await p.create('f', '0123456789abcdef');
      const list = p.allocate(16);
      p.view.setUint32(list, list, true);
      p.view.setUint32(list + 4, 8, true);
      p.view.setUint32(list + 8, list + 8, true);
      p.view.setUint32(list + 12, 8, true);
      expect(await move(p, 'fd_read', file, [list, 2])).toBe('SUCCESS');
      expect(decodeUtf8(p.bytes(list, 16))).toBe('0123456789abcdef');
    },
  },
  {
    title: '1024 buffers are taken, 1025 are INVAL',
    node: differs('it has no limit of its own'),
    run: async (p) => {
      const file = await p.create('f');
      const [at] = p.text('x');
      const list = p.iovecs(...Array.from({ length: 1025 }, () => [at, 1] as const))[0];
      expect(await move(p, 'fd_write', file, [list, 1025])).toBe('INVAL');
      expect(await move(p, 'fd_write', file, [list, 1024])).toBe('SUCCESS');
      expect(await p.fstat(file)).toMatchObject({ size: 1024n });
    },
  },
  {
    title: 'more bytes in all than a signed 32-bit number holds are INVAL',
    node: OURS,
    run: async (p) => {
      const file = await p.create('f', 'text');
      // A memory large enough that few buffers make more than 2^32.
      p.kernel.guest.memory.grow(1024);
      const length = p.size - 65_536;
      const list = p.iovecs(...Array.from({ length: 70 }, () => [65_536, length] as const));
      for (const name of ALL) {
        expect(await move(p, name, file, list), name).toBe('INVAL');
        expect(await move(p, name, file, [list[0], 33]), name).toBe('INVAL');
      }
    },
  },
];

export const readWriteCases: readonly Preview1Case[] = [
  {
    title: 'reading and writing return BADF for a descriptor that is not open',
    node: differs('it takes negative descriptors for arguments of the wrong type'),
    run: async (p) => {
      const iovs = p.iovecs([p.allocate(8), 8]);
      for (const fd of [BAD_FD, -1, -0x8000_0000]) {
        for (const name of ALL) expect(await move(p, name, fd, iovs), name).toBe('BADF');
      }
    },
  },
  {
    title: 'a file opened for reading is not written to, and one for writing not read',
    node: differs('NOTCAPABLE: it takes the rights for more than the access mode'),
    run: async (p) => {
      await p.createClosed('f', 'text');
      const reader = await p.open(p.box, 'f', { rights: READ });
      const writer = await p.open(p.box, 'f', { rights: WRITE });
      const iovs = p.iovecs([p.allocate(8), 8]);
      expect(await move(p, 'fd_write', reader, iovs)).toBe('BADF');
      expect(await move(p, 'fd_pwrite', reader, iovs)).toBe('BADF');
      expect(await move(p, 'fd_read', writer, iovs)).toBe('BADF');
      expect(await move(p, 'fd_pread', writer, iovs)).toBe('BADF');
    },
  },
  {
    title: 'a directory is not read (ISDIR) and not written to (BADF)',
    node: differs('NOTCAPABLE: a directory has no rights to be read'),
    run: async (p) => {
      const iovs = p.iovecs([p.allocate(8), 8]);
      expect(await move(p, 'fd_read', p.box, iovs)).toBe('ISDIR');
      expect(await move(p, 'fd_pread', p.box, iovs)).toBe('ISDIR');
      expect(await move(p, 'fd_write', p.box, iovs)).toBe('BADF');
      expect(await move(p, 'fd_pwrite', p.box, iovs)).toBe('BADF');
    },
  },
  {
    title: 'fd_pread and fd_pwrite leave the offset where it is',
    run: async (p) => {
      const file = await p.create('f', 'abcdef');
      await seek(p, file, 1n, WHENCE_SET);
      const at = p.allocate(8);
      expect(await p.call('fd_pread', file, ...p.iovecs([at, 2]), 3n, p.result)).toBe('SUCCESS');
      expect(decodeUtf8(p.bytes(at, 2))).toBe('de');
      const data = p.iovecs(p.text('XY'));
      expect(await p.call('fd_pwrite', file, ...data, 4n, p.result)).toBe('SUCCESS');
      expect(await p.tell(file)).toBe(1n);
      expect(await p.read(file)).toBe('bcdXY');
    },
  },
  {
    title: 'fd_pread at and beyond the end gives no bytes',
    run: async (p) => {
      const file = await p.create('f', 'abc');
      const iovs = p.iovecs([p.allocate(8), 8]);
      for (const offset of [3n, 1000n, 2n ** 40n]) {
        expect(await p.call('fd_pread', file, ...iovs, offset, p.result)).toBe('SUCCESS');
        expect(p.u32).toBe(0);
      }
    },
  },
  {
    title: 'fd_pread and fd_pwrite take an offset of 2^63 and more for a negative one: INVAL',
    run: async (p) => {
      const file = await p.create('f', 'abc');
      const iovs = p.iovecs([p.allocate(8), 8]);
      for (const offset of [-1n, -(2n ** 63n)]) {
        expect(await p.call('fd_pread', file, ...iovs, offset, p.result)).toBe('INVAL');
        expect(await p.call('fd_pwrite', file, ...iovs, offset, p.result)).toBe('INVAL');
      }
    },
  },
  {
    title: 'fd_pwrite beyond the largest file is FBIG, and INVAL where no offset can be',
    node: { cannot: 'the largest file of the machine is another one' },
    run: async (p) => {
      const file = await p.create('f', 'abc');
      const data = p.iovecs(p.text('x'));
      for (const offset of [2n ** 53n, 2n ** 62n]) {
        expect(await p.call('fd_pwrite', file, ...data, offset, p.result)).toBe('FBIG');
      }
      // Linux: rw_verify_area().
      expect(await p.call('fd_pwrite', file, ...data, 2n ** 63n - 1n, p.result)).toBe('INVAL');
      expect(await p.fstat(file)).toMatchObject({ size: 3n });
    },
  },
  {
    title: 'fd_pwrite far beyond the end leaves a hole of zeros',
    node: { cannot: 'the filesystem of the machine may have no holes' },
    run: async (p) => {
      const file = await p.create('f', 'abc');
      const data = p.iovecs(p.text('x'));
      expect(await p.call('fd_pwrite', file, ...data, 2n ** 33n, p.result)).toBe('SUCCESS');
      expect(await p.fstat(file)).toMatchObject({ size: 2n ** 33n + 1n });
      const at = p.allocate(8);
      p.bytes(at, 8).fill(1);
      const into = p.iovecs([at, 8]);
      expect(await p.call('fd_pread', file, ...into, 2n ** 32n, p.result)).toBe('SUCCESS');
      expect([...p.bytes(at, 8)]).toEqual(Array<number>(8).fill(0));
    },
  },
  {
    title: 'reading nothing from a stream that has nothing does not wait',
    node: OURS,
    run: async (p) => {
      expect(await move(p, 'fd_read', 0, [p.allocate(8), 0])).toBe('SUCCESS');
      expect(await move(p, 'fd_read', 0, p.iovecs([p.allocate(8), 0]))).toBe('SUCCESS');
      expect(p.u32).toBe(0);
    },
  },
  {
    title: 'streams have no offsets: SPIPE',
    node: OURS,
    run: async (p) => {
      const iovs = p.iovecs([p.allocate(8), 8]);
      expect(await move(p, 'fd_pread', 0, iovs)).toBe('SPIPE');
      expect(await move(p, 'fd_pwrite', 1, iovs)).toBe('SPIPE');
      expect(await seek(p, 0, 0n, WHENCE_CUR)).toBe('SPIPE');
      expect(await p.call('fd_tell', 1, p.result)).toBe('SPIPE');
    },
  },
];

export const seekCases: readonly Preview1Case[] = [
  {
    title: 'fd_seek moves from the start, the offset and the end',
    run: async (p) => {
      const file = await p.create('f', 'abcdef');
      for (const [offset, whence, result] of [
        [2n, WHENCE_SET, 2n],
        [3n, WHENCE_CUR, 5n],
        [-4n, WHENCE_CUR, 1n],
        [-1n, WHENCE_END, 5n],
        [100n, WHENCE_END, 106n],
      ] as const) {
        expect(await seek(p, file, offset, whence)).toBe('SUCCESS');
        expect(p.u64).toBe(result);
        expect(await p.tell(file)).toBe(result);
      }
      expect(await p.read(file)).toBe('');
    },
  },
  {
    title: 'fd_seek before the start is INVAL and leaves the offset',
    run: async (p) => {
      const file = await p.create('f', 'abcdef');
      await seek(p, file, 2n, WHENCE_SET);
      expect(await seek(p, file, -1n, WHENCE_SET)).toBe('INVAL');
      expect(await seek(p, file, -3n, WHENCE_CUR)).toBe('INVAL');
      expect(await seek(p, file, -7n, WHENCE_END)).toBe('INVAL');
      expect(await seek(p, file, -(2n ** 63n), WHENCE_END)).toBe('INVAL');
      expect(await p.tell(file)).toBe(2n);
    },
  },
  {
    title: 'fd_seek with a whence that is none is INVAL',
    run: async (p) => {
      const file = await p.create('f');
      expect(await seek(p, file, 0n, 3)).toBe('INVAL');
      expect(await seek(p, file, 0n, 255)).toBe('INVAL');
    },
  },
  {
    title: 'fd_seek goes to 2^53 - 1, the largest offset, and is INVAL beyond',
    node: { cannot: 'the largest file of the machine is another one' },
    run: async (p) => {
      const file = await p.create('f');
      expect(await seek(p, file, 2n ** 53n - 1n, WHENCE_SET)).toBe('SUCCESS');
      expect(p.u64).toBe(2n ** 53n - 1n);
      for (const offset of [2n ** 53n, 2n ** 53n + 1n, 2n ** 62n, 2n ** 63n - 1n]) {
        expect(await seek(p, file, offset, WHENCE_SET)).toBe('INVAL');
      }
      expect(await seek(p, file, 1n, WHENCE_CUR)).toBe('INVAL');
      expect(await p.tell(file)).toBe(2n ** 53n - 1n);
      const data = p.iovecs(p.text('x'));
      expect(await p.call('fd_write', file, ...data, p.result)).toBe('FBIG');
    },
  },
  {
    title: 'fd_seek and fd_tell return BADF before anything about their other arguments',
    run: async (p) => {
      expect(await seek(p, BAD_FD, 0n, WHENCE_SET)).toBe('BADF');
      expect(await seek(p, BAD_FD, -1n, WHENCE_SET)).toBe('BADF');
      expect(await p.call('fd_tell', BAD_FD, p.result)).toBe('BADF');
    },
  },
  {
    title: 'fd_seek with no room for its result is FAULT and moves nothing',
    node: differs(RANGES),
    run: async (p) => {
      const file = await p.create('f', 'abc');
      expect(await p.call('fd_seek', file, 2n, WHENCE_SET, p.size - 7)).toBe('FAULT');
      expect(await p.call('fd_tell', file, FAR)).toBe('FAULT');
      expect(await p.tell(file)).toBe(0n);
    },
  },
];
