// GuestMemory: no access leaves a program's memory.

import { beforeEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { GuestMemory } from '../../../src/wasi/guest-memory.ts';

const PAGE = 65_536;

let memory: GuestMemory;
let wasm: WebAssembly.Memory;

beforeEach(() => {
  memory = new GuestMemory();
  wasm = new WebAssembly.Memory({ initial: 1 });
  memory.attach(wasm);
});

const ACCESSES: readonly [name: string, size: number, access: (at: number) => void][] = [
  ['u8', 1, (at) => memory.u8(at)],
  ['u16', 2, (at) => memory.u16(at)],
  ['u32', 4, (at) => memory.u32(at)],
  ['u64', 8, (at) => memory.u64(at)],
  [
    'setU8',
    1,
    (at) => {
      memory.setU8(at, 1);
    },
  ],
  [
    'setU16',
    2,
    (at) => {
      memory.setU16(at, 1);
    },
  ],
  [
    'setU32',
    4,
    (at) => {
      memory.setU32(at, 1);
    },
  ],
  [
    'setU64',
    8,
    (at) => {
      memory.setU64(at, 1n);
    },
  ],
  [
    'setSize',
    8,
    (at) => {
      memory.setSize(at, 1);
    },
  ],
  [
    'checkWritable',
    5,
    (at) => {
      memory.checkWritable(at, 5);
    },
  ],
  [
    'checkReadable',
    5,
    (at) => {
      memory.checkReadable(at, 5);
    },
  ],
  ['bytesAt', 5, (at) => memory.bytesAt(at, 5)],
  ['textAt', 5, (at) => memory.textAt(at, 5)],
];

describe.each(ACCESSES)('%s', (_name, size, access) => {
  test('reaches to the last byte, and not beyond', () => {
    access(PAGE - size);
    expect(() => {
      access(PAGE - size + 1);
    }).toThrow(linuxerr.EFAULT);
    expect(() => {
      access(PAGE);
    }).toThrow(linuxerr.EFAULT);
  });

  test('takes a negative pointer for a high one, and never wraps around', () => {
    for (const at of [-1, -size, -PAGE, 0x7fff_ffff, -0x8000_0000]) {
      expect(() => {
        access(at);
      }, String(at)).toThrow(linuxerr.EFAULT);
    }
  });

  test('is EFAULT before there is a memory', () => {
    memory = new GuestMemory();
    expect(() => {
      access(0);
    }).toThrow(linuxerr.EFAULT);
  });

  test('finds the memory that has grown', () => {
    wasm.grow(1);
    access(PAGE);
  });
});

test('lengths are unsigned', () => {
  expect(() => memory.bytesAt(0, -1)).toThrow(linuxerr.EFAULT);
  expect(() => memory.textAt(8, -8)).toThrow(linuxerr.EFAULT);
  expect(memory.bytesAt(PAGE, 0)).toHaveLength(0);
  expect(() => memory.bytesAt(PAGE + 1, 0)).toThrow(linuxerr.EFAULT);
});

test('numbers are little-endian, and sizes may exceed 32 bits', () => {
  memory.setU32(0, 0x01020304);
  expect(memory.u8(0)).toBe(4);
  expect(memory.u16(1)).toBe(0x0203);
  memory.setSize(8, 2 ** 53 - 1);
  expect(memory.u64(8)).toBe(2n ** 53n - 1n);
  memory.setU64(16, 0xffff_ffff_ffff_fffen);
  expect(memory.u64(16)).toBe(0xffff_ffff_ffff_fffen);
});

test('a window shows the memory itself', () => {
  memory.bytesAt(100, 2).set([1, 2]);
  expect(memory.u16(100)).toBe(0x0201);
});

test('text has to be UTF-8', () => {
  memory.bytesAt(0, 3).set([0x61, 0xc3, 0xa9]);
  expect(memory.textAt(0, 3)).toBe('aé');
  expect(() => memory.textAt(0, 2)).toThrow(linuxerr.EILSEQ);
});
