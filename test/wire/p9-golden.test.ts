// 9P2000.L messages as bytes, written by hand from the protocol's description.

import { describe, expect, test } from 'vitest';
import {
  type MessageName,
  messageRow,
  type RMessage,
  type TMessage,
} from '../../src/p9/messages.ts';
import type { Attr, Qid } from '../../src/p9/records.ts';
import { fromHex, toHex } from './any-values.ts';

const QID: Qid = { type: 0x80, version: 0x01020304, path: 0xfedcba9876543210n };
const QID_HEX = '80  04 03 02 01  10 32 54 76 98 ba dc fe';

const ATTR: Attr = {
  mode: 0o40755,
  uid: 1000,
  gid: 100,
  nlink: 2,
  rdev: 0x801,
  size: 0x123456789,
  blksize: 4096,
  blocks: 8,
  atime: { sec: 1, nsec: 2 },
  mtime: { sec: -1, nsec: 999_999_999 },
  ctime: { sec: 3, nsec: 4 },
  btime: { sec: 5, nsec: 6 },
  gen: 0xffffffffffffffffn,
  dataVersion: 7n,
};
const ATTR_HEX = `
  ed 41 00 00              # mode
  e8 03 00 00  64 00 00 00 # uid, gid
  02 00 00 00 00 00 00 00  # nlink
  01 08 00 00 00 00 00 00  # rdev
  89 67 45 23 01 00 00 00  # size
  00 10 00 00 00 00 00 00  # blksize
  08 00 00 00 00 00 00 00  # blocks
  01 00 00 00 00 00 00 00  02 00 00 00 00 00 00 00
  ff ff ff ff ff ff ff ff  ff c9 9a 3b 00 00 00 00
  03 00 00 00 00 00 00 00  04 00 00 00 00 00 00 00
  05 00 00 00 00 00 00 00  06 00 00 00 00 00 00 00
  ff ff ff ff ff ff ff ff  # gen
  07 00 00 00 00 00 00 00  # data version
`;

type Values = Readonly<Record<string, unknown>>;

interface Golden {
  readonly name: MessageName;
  readonly kind: 'T' | 'R';
  readonly values: Values;
  readonly hex: string;
}

function T<Name extends MessageName>(
  name: Name,
  values: TMessage<Name> & Values,
  hex: string,
): Golden {
  return { name, kind: 'T', values, hex };
}

function R<Name extends MessageName>(
  name: Name,
  values: RMessage<Name> & Values,
  hex: string,
): Golden {
  return { name, kind: 'R', values, hex };
}

const STANDARD: Golden[] = [
  R('lerror', { ecode: 39 }, '27 00 00 00'),
  R(
    'statfs',
    {
      type: 0x01021997,
      bsize: 4096,
      blocks: 5n,
      bfree: 4n,
      bavail: 3n,
      files: 2n,
      ffree: 1n,
      fsid: 0x8000000000000001n,
      namelen: 255,
    },
    `97 19 02 01  00 10 00 00  05 00 00 00 00 00 00 00  04 00 00 00 00 00 00 00
     03 00 00 00 00 00 00 00  02 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00
     01 00 00 00 00 00 00 80  ff 00 00 00`,
  ),
  T('lopen', { fid: 1, flags: 0o1002 }, '01 00 00 00  02 02 00 00'),
  R('lopen', { qid: QID, iounit: 4096 }, `${QID_HEX}  00 10 00 00`),
  T(
    'lcreate',
    { fid: 1, name: 'new', flags: 2, mode: 0o644, gid: 100 },
    '01 00 00 00  03 00 6e 65 77  02 00 00 00  a4 01 00 00  64 00 00 00',
  ),
  T(
    'symlink',
    { dfid: 1, name: 'l', target: '../t', gid: 2 },
    '01 00 00 00  01 00 6c  04 00 2e 2e 2f 74  02 00 00 00',
  ),
  T(
    'mknod',
    { dfid: 1, name: 'null', mode: 0o20666, major: 1, minor: 3, gid: 0 },
    '01 00 00 00  04 00 6e 75 6c 6c  b6 21 00 00  01 00 00 00  03 00 00 00  00 00 00 00',
  ),
  T('rename', { fid: 1, dfid: 2, name: 'b' }, '01 00 00 00  02 00 00 00  01 00 62'),
  R('readlink', { target: fromHex('2f ff') }, '02 00 2f ff'),
  T('getattr', { fid: 1, requestMask: 0x3fffn }, '01 00 00 00  ff 3f 00 00 00 00 00 00'),
  R(
    'getattr',
    { valid: 0x7ffn, qid: QID, attr: ATTR },
    `ff 07 00 00 00 00 00 00  ${QID_HEX} ${ATTR_HEX}`,
  ),
  T(
    'setattr',
    {
      fid: 1,
      valid: 0x1b8,
      mode: 0o600,
      uid: 0xffffffff,
      gid: 7,
      size: 8,
      atime: { sec: -1, nsec: 5 },
      mtime: { sec: 2, nsec: 6 },
    },
    `01 00 00 00  b8 01 00 00  80 01 00 00  ff ff ff ff  07 00 00 00  08 00 00 00 00 00 00 00
     ff ff ff ff ff ff ff ff  05 00 00 00 00 00 00 00
     02 00 00 00 00 00 00 00  06 00 00 00 00 00 00 00`,
  ),
  T('xattrwalk', { fid: 1, newfid: 2, name: '' }, '01 00 00 00  02 00 00 00  00 00'),
  T(
    'xattrcreate',
    { fid: 1, name: 'user.a', attrSize: 5, flags: 1 },
    '01 00 00 00  06 00 75 73 65 72 2e 61  05 00 00 00 00 00 00 00  01 00 00 00',
  ),
  T(
    'readdir',
    { fid: 1, offset: 0x7fffffffffffffffn, count: 8192 },
    '01 00 00 00  ff ff ff ff ff ff ff 7f  00 20 00 00',
  ),
  R(
    'readdir',
    {
      entries: [
        { qid: QID, offset: 1n, type: 4, name: '..' },
        { qid: QID, offset: 2n, type: 8, name: fromHex('ff') },
      ],
    },
    `33 00 00 00
     ${QID_HEX}  01 00 00 00 00 00 00 00  04  02 00 2e 2e
     ${QID_HEX}  02 00 00 00 00 00 00 00  08  01 00 ff`,
  ),
  R('readdir', { entries: [] }, '00 00 00 00'),
  T('fsync', { fid: 1, datasync: undefined }, '01 00 00 00'),
  T('fsync', { fid: 1, datasync: 1 }, '01 00 00 00  01 00 00 00'),
  T(
    'lock',
    { fid: 1, type: 1, flags: 1, start: 2, length: 0, procId: 99, clientId: 'h' },
    `01 00 00 00  01  01 00 00 00  02 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
     63 00 00 00  01 00 68`,
  ),
  R('lock', { status: 1 }, '01'),
  T(
    'getlock',
    { fid: 1, type: 0, start: 2, length: 3, procId: 99, clientId: 'h' },
    `01 00 00 00  00  02 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00  63 00 00 00  01 00 68`,
  ),
  R(
    'getlock',
    { type: 2, start: 2, length: 3, procId: 99, clientId: 'h' },
    `02  02 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00  63 00 00 00  01 00 68`,
  ),
  T('link', { dfid: 1, fid: 2, name: 'l' }, '01 00 00 00  02 00 00 00  01 00 6c'),
  T(
    'mkdir',
    { dfid: 1, name: 'd', mode: 0o755, gid: 100 },
    '01 00 00 00  01 00 64  ed 01 00 00  64 00 00 00',
  ),
  T(
    'renameat',
    { olddfid: 1, oldname: 'a', newdfid: 2, newname: 'bc' },
    '01 00 00 00  01 00 61  02 00 00 00  02 00 62 63',
  ),
  T('unlinkat', { dfid: 1, name: 'd', flags: 0x200 }, '01 00 00 00  01 00 64  00 02 00 00'),
  T(
    'version',
    { msize: 0x100000, version: '9P2000.L' },
    '00 00 10 00  08 00 39 50 32 30 30 30 2e 4c',
  ),
  T(
    'auth',
    { afid: 1, uname: 'u', aname: '/', nUname: 1000 },
    '01 00 00 00  01 00 75  01 00 2f  e8 03 00 00',
  ),
  T(
    'attach',
    { fid: 0, afid: 0xffffffff, uname: '', aname: '/', nUname: 1000 },
    '00 00 00 00  ff ff ff ff  00 00  01 00 2f  e8 03 00 00',
  ),
  T('flush', { oldtag: 0x1234 }, '34 12'),
  T(
    'walk',
    { fid: 1, newfid: 2, names: ['usr', 'ä'] },
    '01 00 00 00  02 00 00 00  02 00  03 00 75 73 72  02 00 c3 a4',
  ),
  R('walk', { qids: [QID, QID] }, `02 00 ${QID_HEX} ${QID_HEX}`),
  T(
    'read',
    { fid: 1, offset: 0x200000000, count: 4096 },
    '01 00 00 00  00 00 00 00 02 00 00 00  00 10 00 00',
  ),
  R('read', { data: fromHex('01 02 03') }, '03 00 00 00  01 02 03'),
  T(
    'write',
    { fid: 1, offset: 16, data: fromHex('de ad') },
    '01 00 00 00  10 00 00 00 00 00 00 00  02 00 00 00  de ad',
  ),
  R('write', { count: 2 }, '02 00 00 00'),
  T('clunk', { fid: 0xffffffff }, 'ff ff ff ff'),
  R('clunk', {}, ''),
];

const GVISORS: Golden[] = [
  R('listxattr', { names: ['a', 'bc'] }, '02 00  01 00 61  02 00 62 63'),
  T(
    'getxattr',
    { fid: 1, name: 'user.a', size: 256 },
    '01 00 00 00  06 00 75 73 65 72 2e 61  00 01 00 00 00 00 00 00',
  ),
  T(
    'setxattr',
    { fid: 1, name: 'a', value: fromHex('00 ff'), flags: 2 },
    '01 00 00 00  01 00 61  02 00 00 ff  02 00 00 00',
  ),
  R(
    'walkgetattr',
    { valid: 0x7ffn, attr: ATTR, qids: [QID] },
    `ff 07 00 00 00 00 00 00 ${ATTR_HEX} 01 00 ${QID_HEX}`,
  ),
  T(
    'ucreate',
    { fid: 1, name: 'n', flags: 2, mode: 0o644, gid: 100, uid: 1000 },
    '01 00 00 00  01 00 6e  02 00 00 00  a4 01 00 00  64 00 00 00  e8 03 00 00',
  ),
  T(
    'usymlink',
    { dfid: 1, name: 'l', target: 't', gid: 2, uid: 3 },
    '01 00 00 00  01 00 6c  01 00 74  02 00 00 00  03 00 00 00',
  ),
  T(
    'allocate',
    { fid: 1, mode: 3, offset: 4096, length: 8192 },
    '01 00 00 00  03 00 00 00  00 10 00 00 00 00 00 00  00 20 00 00 00 00 00 00',
  ),
  T('multigetattr', { fid: 1, names: ['', 'a'] }, '01 00 00 00  02 00  00 00  01 00 61'),
  R(
    'multigetattr',
    { stats: [{ qid: QID, valid: 1n, attr: ATTR }] },
    `01 00 ${QID_HEX}  01 00 00 00 00 00 00 00 ${ATTR_HEX}`,
  ),
  R('channel', { offset: 4096, length: 65536 }, '00 10 00 00 00 00 00 00  00 00 01 00 00 00 00 00'),
];

describe.each([...STANDARD, ...GVISORS])('$kind$name', ({ name, kind, values, hex }) => {
  const table = messageRow(name)[kind]!;
  const bytes = fromHex(hex);

  test('is encoded as the protocol has it', () => {
    expect(toHex(table.encode(values))).toBe(toHex(bytes));
  });

  test('is decoded from it', () => {
    expect(table.decode(bytes)).toEqual(values);
  });
});

test('a QID has 13 bytes, and the attributes have 132', () => {
  expect(fromHex(QID_HEX).length).toBe(13);
  expect(fromHex(ATTR_HEX).length).toBe(12 + 5 * 8 + 4 * 16 + 2 * 8);
});
