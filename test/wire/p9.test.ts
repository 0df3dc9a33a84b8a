// 9P2000.L: every message there and back, cut short and damaged; frames; versions; numbers.

import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../src/abi/errno.ts';
import { WireError, WireWriter } from '../../src/lib/wire-buffer.ts';
import {
  decodeFrame,
  encodeError,
  encodeR,
  encodeT,
  HEADER_SIZE,
  MSIZE_MAX,
  payloadSizeMax,
  printFrame,
} from '../../src/p9/frame.ts';
import { type MessageName, messageOfType, messageRow, MESSAGES } from '../../src/p9/messages.ts';
import * as records from '../../src/p9/records.ts';
import {
  ANONYMOUS_CONNECT_VERSION,
  LATEST_VERSION,
  MULTI_USER_VERSION,
  OPEN_TRUNCATE_VERSION,
  parseVersion,
  UNKNOWN_VERSION,
  versionText,
} from '../../src/p9/version.ts';
import { fromHex, toHex } from './any-values.ts';
import { checkPrinting, checkRoundTrip, checkTruncation, type Layout } from './message-checks.ts';

const options = { tag: 7, msize: MSIZE_MAX };

const names = Object.keys(MESSAGES) as MessageName[];

interface P9Layout extends Layout {
  readonly message: MessageName;
  readonly kind: 'T' | 'R';
}

const layouts: P9Layout[] = names.flatMap((message) =>
  (['T', 'R'] as const).flatMap((kind) => {
    const table = messageRow(message)[kind];
    return table === undefined ? [] : [{ name: `${kind}${message}`, message, kind, table }];
  }),
);

describe.each(layouts)('$name', (layout) => {
  test('is decoded as it was encoded', () => {
    checkRoundTrip(layout);
  });

  test('is refused when it ends early or goes on', () => {
    checkTruncation(layout);
  });

  test('is printed for logs', () => {
    checkPrinting(layout);
  });
});

test('types are found by their number', () => {
  for (const { message, kind } of layouts) {
    const type = MESSAGES[message].type + (kind === 'T' ? 0 : 1);
    expect(messageOfType(type)).toEqual({ name: message, kind });
  }
  // Tlerror, and Plan 9's Topen.
  expect([messageOfType(6), messageOfType(112), messageOfType(113)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test('each of gVisor’s messages says which version brought it', () => {
  const since = names.flatMap((name) => {
    const row = messageRow(name);
    return row.since === undefined ? [] : [`${row.since} ${name}`];
  });
  expect(since.toSorted((a, b) => parseInt(a) - parseInt(b) || a.localeCompare(b))).toEqual([
    '1 flushf',
    '2 walkgetattr',
    '3 ucreate',
    '3 umkdir',
    '3 umknod',
    '3 usymlink',
    '4 lconnect',
    '7 allocate',
    '8 channel',
    '10 getxattr',
    '10 setxattr',
    '11 listxattr',
    '11 removexattr',
    '12 setattrclunk',
    '13 multigetattr',
  ]);
  expect([ANONYMOUS_CONNECT_VERSION, MULTI_USER_VERSION, OPEN_TRUNCATE_VERSION]).toEqual([5, 6, 9]);
});

describe('frames', () => {
  const writer = new WireWriter();

  test('have their size, type and tag before the message', () => {
    const bytes = encodeT(writer, { ...options, tag: records.NOTAG }, 'clunk', { fid: 3 });
    expect(toHex(bytes)).toBe('0b 00 00 00 78 ff ff 03 00 00 00');
    expect(decodeFrame(bytes, MSIZE_MAX)).toMatchObject({ type: 120, tag: 0xffff });
    expect(HEADER_SIZE).toBe(7);
  });

  test('a response has the next type', () => {
    expect(toHex(encodeR(writer, options, 'clunk', {}))).toBe('07 00 00 00 79 07 00');
  });

  test('a failure is an Rlerror', () => {
    const bytes = encodeError(writer, options, linuxerr.ENOTEMPTY);
    expect(toHex(bytes)).toBe('0b 00 00 00 07 07 00 27 00 00 00');
  });

  test('a frame whose size is not its own is refused', () => {
    const bytes = encodeT(writer, options, 'clunk', { fid: 3 }).slice();
    for (let size = 0; size < bytes.length; size++) {
      expect(() => decodeFrame(bytes.subarray(0, size), MSIZE_MAX)).toThrow(WireError);
    }
    expect(() => decodeFrame(Uint8Array.of(...bytes, 0), MSIZE_MAX)).toThrow(WireError);
    expect(() => decodeFrame(fromHex('06 00 00 00 78 00'), MSIZE_MAX)).toThrow(WireError);
  });

  test('a frame of more than msize, or than anyone may have, is neither sent nor taken', () => {
    const values = { fid: 1, offset: 0, data: new Uint8Array(1000) };
    const bytes = encodeT(writer, { ...options, msize: 1023 }, 'write', values).slice();
    expect(bytes.length).toBe(1023);
    expect(decodeFrame(bytes, 1023).body.length).toBe(1016);
    expect(() => encodeT(writer, { ...options, msize: 1022 }, 'write', values)).toThrow(
      linuxerr.EIO,
    );
    expect(() => decodeFrame(bytes, 1022)).toThrow(WireError);
    const data = new Uint8Array(MSIZE_MAX);
    const huge = encodeT(writer, { tag: 1, msize: 2 * MSIZE_MAX }, 'write', { ...values, data });
    expect(() => decodeFrame(huge, 2 * MSIZE_MAX)).toThrow(WireError);
  });

  test('reads and writes leave room for what comes with them', () => {
    expect(payloadSizeMax(MSIZE_MAX)).toBe(MSIZE_MAX - 512);
    expect(payloadSizeMax(8192)).toBe(7680);
    expect(payloadSizeMax(100)).toBe(0);
  });

  test('a frame is printed with its tag and name', () => {
    const print = (bytes: Uint8Array): string => printFrame(decodeFrame(bytes, MSIZE_MAX));
    const walk = encodeT(writer, options, 'walk', { fid: 1, newfid: 2, names: ['usr', 'bin'] });
    expect(print(walk)).toBe('#7 Twalk {fid: 1, newfid: 2, names: ["usr", "bin"]}');
    const read = encodeR(writer, options, 'read', { data: new Uint8Array(5) });
    expect(print(read)).toBe('#7 Rread {data: <5 bytes>}');
    const cut = { type: 120, tag: 7, body: fromHex('01') };
    expect(printFrame(cut)).toBe('#7 Tclunk <1 bytes>: 4 bytes are missing at byte 0 of 1');
    const unknown = { type: 6, tag: 1, body: fromHex('01 02') };
    expect(printFrame(unknown)).toBe('#1 message 6 <2 bytes>');
  });
});

describe('versions', () => {
  test.each([
    ['9P2000.L', 0],
    ['9P2000.L.Google.0', 0],
    ['9P2000.L.Google.13', 13],
    ['9P2000.L.Google.4294967295', 0xffffffff],
    ['9P2000.L.Google.4294967296', undefined],
    ['9P2000.L.Google.', undefined],
    ['9P2000.L.Google.-1', undefined],
    ['9P2000.L.Google.1 ', undefined],
    ['9P2000.L.', undefined],
    ['9P2000', undefined],
    ['9P2000.u', undefined],
    [UNKNOWN_VERSION, undefined],
  ])('%j is %s', (text, version) => {
    expect(parseVersion(text)).toBe(version);
  });

  test('are written as they are read, and the plain one is 0', () => {
    expect(versionText(0)).toBe('9P2000.L');
    for (let version = 0; version <= LATEST_VERSION; version++) {
      expect(parseVersion(versionText(version))).toBe(version);
    }
    expect(versionText(LATEST_VERSION)).toBe('9P2000.L.Google.13');
  });
});

test('numbers are the protocol’s', () => {
  const numbers = Object.entries(records).filter(([, value]) => typeof value === 'number');
  expect(Object.fromEntries(numbers)).toEqual({
    ...{ NOFID: 0xffffffff, NOTAG: 0xffff, NO_ID: 0xffffffff, WALK_NAMES_MAX: 16 },
    ...{ QTDIR: 0x80, QTAPPEND: 0x40, QTEXCL: 0x20, QTMOUNT: 0x10 },
    ...{ QTAUTH: 8, QTTMP: 4, QTSYMLINK: 2, QTLINK: 1, QTFILE: 0 },
    ...{ GETATTR_MODE: 1, GETATTR_NLINK: 2, GETATTR_UID: 4, GETATTR_GID: 8, GETATTR_RDEV: 0x10 },
    ...{ GETATTR_ATIME: 0x20, GETATTR_MTIME: 0x40, GETATTR_CTIME: 0x80, GETATTR_INO: 0x100 },
    ...{ GETATTR_SIZE: 0x200, GETATTR_BLOCKS: 0x400, GETATTR_BASIC: 0x7ff },
    ...{ GETATTR_BTIME: 0x800, GETATTR_GEN: 0x1000, GETATTR_DATA_VERSION: 0x2000 },
    ...{ SETATTR_MODE: 1, SETATTR_UID: 2, SETATTR_GID: 4, SETATTR_SIZE: 8, SETATTR_ATIME: 0x10 },
    ...{ SETATTR_MTIME: 0x20, SETATTR_CTIME: 0x40 },
    ...{ SETATTR_ATIME_SET: 0x80, SETATTR_MTIME_SET: 0x100 },
    ...{ LOCK_TYPE_RDLCK: 0, LOCK_TYPE_WRLCK: 1, LOCK_TYPE_UNLCK: 2 },
    ...{ LOCK_FLAGS_BLOCK: 1, LOCK_FLAGS_RECLAIM: 2 },
    ...{ LOCK_SUCCESS: 0, LOCK_BLOCKED: 1, LOCK_ERROR: 2, LOCK_GRACE: 3 },
    ...{ CONNECT_STREAM: 0, CONNECT_DGRAM: 1, CONNECT_SEQPACKET: 2, CONNECT_ANY: 3 },
  });
});
