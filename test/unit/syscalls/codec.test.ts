// Requests and responses of every system call survive the way through a frame, which grows when
// they need it to.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allLinuxErrors, linuxerr } from '../../../src/abi/errno.ts';
import {
  decodeRequest,
  decodeResponse,
  encodeFailure,
  encodeRequest,
  encodeSuccess,
  type Frame,
  SYSCALL_NAMES,
} from '../../../src/syscalls/codec.ts';
import type { ArgumentKind, ResultKind, SyscallName } from '../../../src/syscalls/table.ts';
import { SYSCALLS } from '../../../src/syscalls/table.ts';

const FRAME_SIZE = 32;
const FRAME_MAX = 8 << 20;

/** A frame that is small at first. */
function makeFrame(): Frame {
  const memory = new SharedArrayBuffer(FRAME_SIZE, { maxByteLength: FRAME_MAX });
  return {
    bytes: new Uint8Array(memory),
    view: new DataView(memory),
    reserve: (size) => {
      if (size <= memory.byteLength) return;
      if (size > FRAME_MAX) throw linuxerr.ENOMEM;
      memory.grow(size);
    },
  };
}

const int = fc.integer();
const offset = fc.oneof(fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true }));
const text = fc.string({ unit: 'grapheme', maxLength: 300 });
const timespec = fc.record({ sec: fc.maxSafeInteger(), nsec: fc.nat(0x3fffffff) });
const bytes = fc.uint8Array({ maxLength: 100 });

const flock = fc.record({ type: int, whence: int, start: offset, length: offset, pid: int });

const ARGUMENTS: Readonly<Record<ArgumentKind, fc.Arbitrary<unknown>>> = {
  int,
  offset,
  text,
  timespec,
  bytes,
  buffer: fc.nat(100_000).map((length) => new Uint8Array(length)),
  pollfds: fc.array(fc.record({ fd: int, events: fc.nat(63) }), { maxLength: 20 }),
  flock,
};

const STAT_NUMBERS = ['dev', 'ino', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'size', 'blksize'];
const TIMES = ['atime', 'mtime', 'ctime', 'btime'];
const STATFS_NUMBERS = ['type', 'bsize', 'blocks', 'bfree', 'bavail', 'files', 'ffree', 'namelen'];

function recordOf(names: readonly string[], value: fc.Arbitrary<unknown>) {
  return Object.fromEntries(names.map((name) => [name, value]));
}

const number = fc.maxSafeInteger();
const dirent = fc.record({ ino: number, cookie: number, type: fc.nat(15), name: text });

const statRecord = {
  ...recordOf([...STAT_NUMBERS, 'blocks'], number),
  ...recordOf(TIMES, timespec),
};

const RESULTS: Readonly<Record<ResultKind, fc.Arbitrary<unknown>>> = {
  void: fc.constant(undefined),
  int,
  offset,
  text,
  stat: fc.record(statRecord),
  statx: fc.record({ ...statRecord, mask: number, mountId: number }),
  statfs: fc.record(recordOf([...STATFS_NUMBERS, 'flags'], number)),
  dirents: fc.array(dirent, { maxLength: 30 }),
  ints: fc.array(int, { maxLength: 30 }),
  flock,
};

function argumentsOf(name: SyscallName): fc.Arbitrary<unknown[]> {
  return fc.tuple(...SYSCALLS[name].args.map((kind: ArgumentKind) => ARGUMENTS[kind]));
}

/** -0 comes back as 0 where it is an integer: as good. */
const plain = (value: unknown): unknown => (value === 0 ? 0 : value);

/** Of a buffer only the length is sent. */
function comparable(name: SyscallName, args: readonly unknown[]): unknown[] {
  const kinds: readonly ArgumentKind[] = SYSCALLS[name].args;
  return args.map((value, index) =>
    kinds[index] === 'buffer' ? (value as Uint8Array).length : plain(value),
  );
}

const settings = { seed: 1, numRuns: 30 };

describe.each(SYSCALL_NAMES)('%s', (name) => {
  test('the request is decoded as it was encoded', () => {
    fc.assert(
      fc.property(argumentsOf(name), (args) => {
        const frame = makeFrame();
        encodeRequest(frame, name, args);
        const decoded = decodeRequest(frame);
        expect(decoded.name).toBe(name);
        expect(comparable(name, decoded.args)).toEqual(comparable(name, args));
      }),
      settings,
    );
  });

  test('the response is decoded as it was encoded', () => {
    const isRead = (SYSCALLS[name].args as readonly ArgumentKind[]).includes('buffer');
    fc.assert(
      fc.property(argumentsOf(name), RESULTS[SYSCALLS[name].result], (args, result) => {
        const frame = makeFrame();
        encodeRequest(frame, name, args);
        const count = isRead ? (args[1] as Uint8Array).length : result;
        encodeSuccess(frame, name, count);
        expect(plain(decodeResponse(frame, name, args))).toEqual(plain(count));
      }),
      settings,
    );
  });
});

test('what the kernel reads is put into the buffer of the caller, as far as it was read', () => {
  const frame = makeFrame();
  const buffer = new Uint8Array(5).fill(0xee);
  encodeRequest(frame, 'pread', [3, buffer, 2 ** 40]);
  const [fd, window, at] = decodeRequest(frame).args as [number, Uint8Array, number];
  expect([fd, at]).toEqual([3, 2 ** 40]);
  expect(window.length).toBe(5);
  window.set([1, 2, 3]);
  encodeSuccess(frame, 'pread', 3);
  expect(decodeResponse(frame, 'pread', [3, buffer, 2 ** 40])).toBe(3);
  expect([...buffer]).toEqual([1, 2, 3, 0xee, 0xee]);
});

test('every failure is thrown as the error it is', () => {
  const frame = makeFrame();
  for (const error of allLinuxErrors) {
    encodeFailure(frame, error);
    expect(() => decodeResponse(frame, 'close', [1])).toThrow(error);
  }
});

test('large values make the frame grow; those too large for it are ENOMEM', () => {
  const frame = makeFrame();
  const large = new Uint8Array(1 << 20).fill(7);
  encodeRequest(frame, 'write', [1, large]);
  const [, written] = decodeRequest(frame).args as [number, Uint8Array];
  expect(written.length).toBe(large.length);
  expect(written.every((byte) => byte === 7)).toBe(true);
  const tooLarge = new Uint8Array(FRAME_MAX);
  expect(() => {
    encodeRequest(frame, 'write', [1, tooLarge]);
  }).toThrow(linuxerr.ENOMEM);
  expect(() => {
    encodeRequest(frame, 'read', [1, tooLarge]);
  }).toThrow(linuxerr.ENOMEM);
});

test('names beyond ASCII and empty ones keep their bytes', () => {
  const frame = makeFrame();
  for (const path of ['', 'ä', '\ufeffx', '𝄞'.repeat(1000)]) {
    encodeRequest(frame, 'truncate', [path, 1]);
    expect(decodeRequest(frame).args).toEqual([path, 1]);
  }
});
