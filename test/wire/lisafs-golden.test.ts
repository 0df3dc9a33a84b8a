// lisafs messages as bytes, written by hand from the protocol's description.

import { describe, expect, test } from 'vitest';
import {
  type MessageName,
  messageRow,
  type RequestOf,
  type ResponseOf,
} from '../../src/lisafs/messages.ts';
import type { Inode, Statx } from '../../src/lisafs/records.ts';
import { fromHex, toHex } from './any-values.ts';

const STATX: Statx = {
  mask: 0xfff,
  blksize: 4096,
  attributes: 0x0102030405060708n,
  nlink: 2,
  uid: 1000,
  gid: 100,
  mode: 0o100644,
  ino: 0xfedcba9876543210n,
  size: 0x123456789,
  blocks: 9,
  attributesMask: 0xffffffffffffffffn,
  atime: { sec: 1, nsec: 2 },
  btime: { sec: -1, nsec: 999_999_999 },
  ctime: { sec: 3, nsec: 4 },
  mtime: { sec: 0x60000000, nsec: 6 },
  rdevMajor: 7,
  rdevMinor: 8,
  devMajor: 0x103,
  devMinor: 0xabcdef,
};

const STATX_HEX = `
  ff 0f 00 00                                       # 0 mask
  00 10 00 00                                       # 4 blksize
  08 07 06 05 04 03 02 01                           # 8 attributes
  02 00 00 00                                       # 16 nlink
  e8 03 00 00                                       # 20 uid
  64 00 00 00                                       # 24 gid
  a4 81                                             # 28 mode
  00 00                                             # 30
  10 32 54 76 98 ba dc fe                           # 32 ino
  89 67 45 23 01 00 00 00                           # 40 size
  09 00 00 00 00 00 00 00                           # 48 blocks
  ff ff ff ff ff ff ff ff                           # 56 attributes mask
  01 00 00 00 00 00 00 00  02 00 00 00  00 00 00 00 # 64 atime
  ff ff ff ff ff ff ff ff  ff c9 9a 3b  00 00 00 00 # 80 btime
  03 00 00 00 00 00 00 00  04 00 00 00  00 00 00 00 # 96 ctime
  00 00 00 60 00 00 00 00  06 00 00 00  00 00 00 00 # 112 mtime
  07 00 00 00                                       # 128 rdev major
  08 00 00 00                                       # 132 rdev minor
  03 01 00 00                                       # 136 dev major
  ef cd ab 00                                       # 140 dev minor
`;

const INODE: Inode = { controlFD: 5, statx: STATX };
const INODE_HEX = `05 00 00 00 00 00 00 00 ${STATX_HEX}`;

const CREATE = { dirFD: 3, uid: 1000, gid: 0xffffffff, mode: 0o755 };
const CREATE_HEX = `
  03 00 00 00 00 00 00 00 # 0 dirFD
  e8 03 00 00             # 8 uid
  ff ff ff ff             # 12 gid: none
  ed 01                   # 16 mode
  00 00 00 00 00 00       # 18
`;

type Values = Readonly<Record<string, unknown>>;

interface Golden {
  readonly name: MessageName;
  readonly kind: 'request' | 'response';
  readonly values: Values;
  readonly hex: string;
}

function request<Name extends MessageName>(
  name: Name,
  values: RequestOf<Name> & Values,
  hex: string,
): Golden {
  return { name, kind: 'request', values, hex };
}

function response<Name extends MessageName>(
  name: Name,
  values: ResponseOf<Name> & Values,
  hex: string,
): Golden {
  return { name, kind: 'response', values, hex };
}

const STANDARD: Golden[] = [
  response('Error', { errno: 2 }, '02 00 00 00'),
  request('Mount', {}, ''),
  response(
    'Mount',
    { root: INODE, maxMessageSize: 2093056, supportedMIDs: [1, 3, 256] },
    `${INODE_HEX}  00 f0 1f 00  03 00  01 00  03 00  00 01`,
  ),
  response(
    'Channel',
    { dataOffset: -1, dataLength: 4096 },
    'ff ff ff ff ff ff ff ff  00 10 00 00 00 00 00 00',
  ),
  request('FStat', { fd: 5 }, '05 00 00 00 00 00 00 00'),
  response('FStat', { statx: STATX }, STATX_HEX),
  request(
    'SetStat',
    {
      fd: 5,
      mask: 0x222,
      mode: 0o600,
      uid: 0xffffffff,
      gid: 7,
      size: 1,
      atime: { sec: -1, nsec: 5 },
      mtime: { sec: 2, nsec: 999_999_999 },
    },
    `05 00 00 00 00 00 00 00  22 02 00 00  80 01 00 00  ff ff ff ff  07 00 00 00
     01 00 00 00 00 00 00 00
     ff ff ff ff ff ff ff ff  05 00 00 00 00 00 00 00
     02 00 00 00 00 00 00 00  ff c9 9a 3b 00 00 00 00`,
  ),
  response('SetStat', { failureMask: 2, failureErrno: 1 }, '02 00 00 00  01 00 00 00'),
  request(
    'Walk',
    { dirFD: 1, path: ['usr', 'ä'] },
    '01 00 00 00 00 00 00 00  02 00  03 00 75 73 72  02 00 c3 a4',
  ),
  response('Walk', { status: 2, inodes: [INODE] }, `02  01 00 ${INODE_HEX}`),
  request('WalkStat', { dirFD: 1, path: [''] }, '01 00 00 00 00 00 00 00  01 00  00 00'),
  response('WalkStat', { stats: [STATX, STATX] }, `02 00 ${STATX_HEX} ${STATX_HEX}`),
  request('OpenAt', { fd: 5, flags: 0o1002 }, '05 00 00 00 00 00 00 00  02 02 00 00  00 00 00 00'),
  request(
    'OpenCreateAt',
    { ...CREATE, flags: 2, name: 'new' },
    `${CREATE_HEX}  02 00 00 00  03 00 6e 65 77`,
  ),
  response('OpenCreateAt', { child: INODE, newFD: 6 }, `${INODE_HEX}  06 00 00 00 00 00 00 00`),
  request(
    'Close',
    { fds: [1, 0x100000000] },
    '02 00  01 00 00 00 00 00 00 00  00 00 00 00 01 00 00 00',
  ),
  request(
    'PWrite',
    { offset: 0x200000000, fd: 6, data: fromHex('de ad be ef') },
    '00 00 00 00 02 00 00 00  06 00 00 00 00 00 00 00  04 00 00 00  de ad be ef',
  ),
  response('PWrite', { count: 4 }, '04 00 00 00 00 00 00 00'),
  request(
    'PRead',
    { offset: 16, fd: 6, count: 4096 },
    '10 00 00 00 00 00 00 00  06 00 00 00 00 00 00 00  00 10 00 00  00 00 00 00',
  ),
  response('PRead', { data: fromHex('01 02 03') }, '03 00 00 00 00 00 00 00  01 02 03'),
  request('MkdirAt', { ...CREATE, name: 'd' }, `${CREATE_HEX}  01 00 64`),
  request(
    'MknodAt',
    { ...CREATE, minor: 3, major: 1, name: 'null' },
    `${CREATE_HEX}  03 00 00 00  01 00 00 00  04 00 6e 75 6c 6c`,
  ),
  request(
    'SymlinkAt',
    { dirFD: 3, uid: 1, gid: 2, name: 'l', target: '../t' },
    '03 00 00 00 00 00 00 00  01 00 00 00  02 00 00 00  01 00 6c  04 00 2e 2e 2f 74',
  ),
  request(
    'LinkAt',
    { dirFD: 3, targetFD: 5, name: 'l' },
    '03 00 00 00 00 00 00 00  05 00 00 00 00 00 00 00  01 00 6c',
  ),
  response(
    'FStatFS',
    {
      type: 0xef53,
      blockSize: 4096,
      blocks: 5n,
      bfree: 4n,
      bavail: 3n,
      files: 2n,
      ffree: 0xffffffffffffffffn,
      nameLen: 255,
    },
    `53 ef 00 00 00 00 00 00  00 10 00 00 00 00 00 00  05 00 00 00 00 00 00 00
     04 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00  02 00 00 00 00 00 00 00
     ff ff ff ff ff ff ff ff  ff 00 00 00 00 00 00 00`,
  ),
  request(
    'FAllocate',
    { fd: 6, mode: 3, offset: 4096, length: 8192 },
    `06 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00  00 10 00 00 00 00 00 00
     00 20 00 00 00 00 00 00`,
  ),
  response('ReadLinkAt', { target: fromHex('2f ff') }, '02 00 2f ff'),
  request('Connect', { fd: 5, sockType: 1 }, '05 00 00 00 00 00 00 00  01 00 00 00  00 00 00 00'),
  request(
    'UnlinkAt',
    { dirFD: 3, flags: 0x200, name: 'd' },
    '03 00 00 00 00 00 00 00  00 02 00 00  01 00 64',
  ),
  request(
    'RenameAt',
    { oldDir: 3, newDir: 4, oldName: 'a', newName: 'bc' },
    '03 00 00 00 00 00 00 00  04 00 00 00 00 00 00 00  01 00 61  02 00 62 63',
  ),
  request(
    'Getdents64',
    { dirFD: 6, count: -65536 },
    '06 00 00 00 00 00 00 00  00 00 ff ff  00 00 00 00',
  ),
  response(
    'Getdents64',
    {
      dirents: [
        { ino: 11n, devMinor: 2, devMajor: 8, off: 0x7fffffffffffffffn, type: 4, name: '..' },
        { ino: 12n, devMinor: 2, devMajor: 8, off: 1n, type: 8, name: fromHex('ff') },
      ],
    },
    `02 00
     0b 00 00 00 00 00 00 00  02 00 00 00  08 00 00 00  ff ff ff ff ff ff ff 7f  04  02 00 2e 2e
     0c 00 00 00 00 00 00 00  02 00 00 00  08 00 00 00  01 00 00 00 00 00 00 00  08  01 00 ff`,
  ),
  request(
    'FGetXattr',
    { fd: 5, bufSize: 256, name: 'user.a' },
    '05 00 00 00 00 00 00 00  00 01 00 00  06 00 75 73 65 72 2e 61',
  ),
  request(
    'FSetXattr',
    { fd: 5, flags: 1, name: 'user.a', value: fromHex('00 ff') },
    '05 00 00 00 00 00 00 00  01 00 00 00  06 00 75 73 65 72 2e 61  02 00 00 ff',
  ),
  response('FListXattr', { names: ['a', 'bc'] }, '02 00  01 00 61  02 00 62 63'),
  request('BindAt', { ...CREATE, sockType: 1, name: 's' }, `${CREATE_HEX}  01 00 00 00  01 00 73`),
  request('Listen', { fd: 7, backlog: -1 }, '07 00 00 00 00 00 00 00  ff ff ff ff  00 00 00 00'),
  request(
    'ConnectWithCreds',
    { fd: 5, sockType: 2, uid: 1, gid: 2 },
    '05 00 00 00 00 00 00 00  02 00 00 00  00 00 00 00  01 00 00 00  02 00 00 00',
  ),
  request(
    'RenameAt2',
    { oldDir: 3, newDir: 4, oldName: 'a', newName: 'b', flags: 2 },
    '03 00 00 00 00 00 00 00  04 00 00 00 00 00 00 00  01 00 61  01 00 62  02 00 00 00',
  ),
];

const OURS: Golden[] = [
  request(
    'Session',
    { headerVersion: 2, sessionId: new Uint8Array(), lastTag: 0, awaited: [] },
    '02 00 00 00  00 00 00 00  00 00 00 00  00 00',
  ),
  response(
    'Session',
    {
      headerVersion: 2,
      sessionId: fromHex('0a 0b'),
      isResumed: true,
      graceMs: 60_000,
      inFlightMax: 256,
      bootVerifier: fromHex('0c 0d'),
    },
    '02 00 00 00  02 00 00 00 0a 0b  01  60 ea 00 00  00 01 00 00  02 00 00 00 0c 0d',
  ),
  request('Ack', { lastTag: 40, awaited: [7, 39] }, '28 00 00 00  02 00  07 00 00 00  27 00 00 00'),
  request(
    'Reclaim',
    {
      lost: [
        {
          fd: 9,
          path: ['a'],
          devMajor: 8,
          devMinor: 1,
          ino: 77n,
          btimeSec: 3,
          btimeNsec: 4,
          openFlags: 0xffffffff,
        },
      ],
    },
    `01 00  09 00 00 00 00 00 00 00  01 00 01 00 61  08 00 00 00  01 00 00 00
     4d 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00  04 00 00 00  ff ff ff ff`,
  ),
  response(
    'ListDir',
    {
      dir: STATX,
      isEnd: true,
      entries: [
        { name: 'a', cookie: 1, ino: 2n, type: 8, inode: INODE },
        { name: 'b', cookie: 2, ino: 3n, type: 4, inode: undefined },
      ],
    },
    `${STATX_HEX}  01  02 00
     01 00 61  01 00 00 00 00 00 00 00  02 00 00 00 00 00 00 00  08  01 ${INODE_HEX}
     01 00 62  02 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00  04  00`,
  ),
  response(
    'OpenReadAt',
    { openFD: 6, statx: STATX, isWhole: true, data: fromHex('68 69') },
    `06 00 00 00 00 00 00 00 ${STATX_HEX}  01  02 00 00 00 68 69`,
  ),
  request(
    'CreateWrite',
    {
      ...CREATE,
      flags: 1,
      clientFD: 2 ** 52,
      clientOpenFD: 2 ** 52 + 1,
      name: 'n',
      data: fromHex('01'),
    },
    `${CREATE_HEX}  01 00 00 00  00 00 00 00  00 00 00 00 00 00 10 00  01 00 00 00 00 00 10 00
     01 00 6e  01 00 00 00 01`,
  ),
  request(
    'SetLock',
    { fd: 6, owner: 1, start: 2, length: 3, pid: 4, kind: 2, type: 1, wait: true },
    `06 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00  02 00 00 00 00 00 00 00
     03 00 00 00 00 00 00 00  04 00 00 00  02  01  01  00`,
  ),
  request(
    'Event',
    { events: [{ watchId: 3, mask: 0x100, cookie: 5, name: 'n' }] },
    '01 00  03 00 00 00 00 00 00 00  00 01 00 00  05 00 00 00  01 00 6e',
  ),
  request(
    'Invalidate',
    { files: [{ fd: 5, flags: 3, name: '' }] },
    '01 00  05 00 00 00 00 00 00 00  03 00 00 00  00 00',
  ),
];

describe.each([...STANDARD, ...OURS])('$kind of $name', ({ name, kind, values, hex }) => {
  const table = messageRow(name)[kind]!;
  const bytes = fromHex(hex);

  test('is encoded as the protocol has it', () => {
    expect(toHex(table.encode(values))).toBe(toHex(bytes));
  });

  test('is decoded from it', () => {
    expect(table.decode(bytes)).toEqual(values);
  });
});

test('Statx has 144 bytes, Inode 152 and the common part of what creates 24', () => {
  expect(fromHex(STATX_HEX).length).toBe(144);
  expect(fromHex(INODE_HEX).length).toBe(152);
  expect(fromHex(CREATE_HEX).length).toBe(24);
});
