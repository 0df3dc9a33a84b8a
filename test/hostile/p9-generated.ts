// Sequences of 9P that are made of the messages' tables: each field that is a name, a fid or a
// number, with each value that it must not have.

import { expect } from 'vitest';
import { O_RDONLY, O_RDWR, O_TRUNC } from '../../src/abi/fcntl.ts';
import { NAME_MAX, PATH_MAX, XATTR_NAME_MAX } from '../../src/abi/limits.ts';
import { BigU64Field, IntegerField, u64 } from '../../src/lib/wire-fields.ts';
import { encodeUtf8 } from '../../src/lib/text.ts';
import type { MessageName } from '../../src/p9/messages.ts';
import {
  NOFID,
  SETATTR_ATIME,
  SETATTR_GID,
  SETATTR_MODE,
  SETATTR_SIZE,
  SETATTR_UID,
} from '../../src/p9/records.ts';
import type { Arena } from './arena.ts';
import type { Outcome } from './answers.ts';
import type { P9Attacker } from './p9-attacker.ts';
import {
  attachedFor,
  CHANGES,
  encodeBodyOf,
  FID_FIELDS,
  FRESH_FID,
  NAME_FIELDS,
  NEW_FID_FIELDS,
  NUMBER_FIELDS,
  type P9Field,
  REQUESTS,
  type SomeFids,
  someFids,
  tableOf,
  TARGET_FIELDS,
  validRequest,
  versionOf,
  XATTR_NAME_FIELDS,
} from './p9-values.ts';
import type { Way } from './p9-wire.ts';
import { type AnyValues, replaceBytes } from './request-values.ts';
import type { Sequence } from './sequence.ts';

interface Wrong {
  readonly what: string;
  /** Undefined: `bytes` are put in the place of PLACEHOLDER. */
  readonly value?: unknown;
  readonly bytes?: Uint8Array;
  readonly said: string;
}

const PLACEHOLDER = '!here';

/** In a walk it comes last, below a directory that is there. */
function setName(values: AnyValues, key: string, value: unknown): AnyValues {
  return { ...values, [key]: Array.isArray(values[key]) ? ['deep', value] : value };
}

/** What is set when a fid is clunked is said to be wrong by Rclunk. */
async function saidInTheEnd(
  attacker: P9Attacker,
  { message, fid }: { readonly message: MessageName; readonly fid: number },
  { said }: Outcome,
): Promise<string> {
  if (message !== 'xattrcreate' || said !== 'OK') return said;
  return (await attacker.call('clunk', { fid })).said;
}

/** Sends the request, and says how it ended. The folder is as it was. */
async function send(arena: Arena, { message, key }: P9Field, wrong: Wrong): Promise<string> {
  const { attacker, some } = await attachedFor(arena, 'TCP', message);
  const before = arena.lookInside();
  const value = wrong.bytes === undefined ? wrong.value : PLACEHOLDER;
  const body = encodeBodyOf(message, setName(validRequest(message, some), key, value));
  const { bytes } = wrong;
  const sent = bytes === undefined ? body : replaceBytes(body, encodeUtf8(PLACEHOLDER), bytes);
  const outcome = await attacker.callBody(message, sent);
  const said = await saidInTheEnd(attacker, { message, fid: some.file }, outcome);
  expect(arena.lookInside()).toEqual(before);
  return said;
}

const NO_UTF8: readonly Wrong[] = [
  { what: 'bytes that are no UTF-8', bytes: Uint8Array.of(1, 2, 0xff, 0xfe, 3), said: 'EIO' },
  // C0 AF and E0 80 AF: a slash, to a decoder that isn't strict.
  { what: 'a slash of two bytes', bytes: Uint8Array.of(46, 46, 0xc0, 0xaf, 46), said: 'EIO' },
  { what: 'a slash of three', bytes: Uint8Array.of(46, 46, 0xe0, 0x80, 0xaf), said: 'EIO' },
];

const BAD_NAMES: readonly Wrong[] = [
  ...['', '/', '../outside', '/etc', 'a/b', 'dir/../../outside', './x', 'x/'].map(
    (value): Wrong => ({ what: JSON.stringify(value), value, said: 'EINVAL' }),
  ),
  { what: 'a NUL', value: '\0', said: 'EINVAL' },
  { what: 'a NUL in it', value: 'file\0.txt', said: 'EINVAL' },
  { what: 'a NUL after ..', value: '..\0', said: 'EINVAL' },
  { what: '256 bytes', value: 'x'.repeat(NAME_MAX + 1), said: 'ENAMETOOLONG' },
  { what: '256 bytes of two each', value: 'é'.repeat(128), said: 'ENAMETOOLONG' },
  { what: '65535 bytes', value: 'x'.repeat(0xffff), said: 'ENAMETOOLONG' },
  ...NO_UTF8,
];

/** The standard's walk leads along them, which has rows of its own. */
const DOTS: readonly Wrong[] = ['.', '..'].map((value) => ({
  what: JSON.stringify(value),
  value,
  said: 'EINVAL',
}));

const BAD_XATTRS: readonly Wrong[] = [
  ...['x', 'user', 'USER.x', 'trusted.x', 'security.capability', 'system.posix_acl_access'].map(
    (value): Wrong => ({ what: JSON.stringify(value), value, said: 'EOPNOTSUPP' }),
  ),
  { what: 'a NUL', value: 'user.\0', said: 'EINVAL' },
  { what: '256 bytes', value: `user.${'x'.repeat(XATTR_NAME_MAX - 4)}`, said: 'ERANGE' },
  ...NO_UTF8,
];

const BAD_TARGETS: readonly Wrong[] = [
  { what: 'empty', value: '', said: 'ENOENT' },
  { what: 'a NUL', value: 'a\0b', said: 'EINVAL' },
  { what: 'as long as PATH_MAX', value: 'x'.repeat(PATH_MAX), said: 'ENAMETOOLONG' },
  ...NO_UTF8,
];

function named(fields: readonly P9Field[], wrongs: readonly Wrong[]): Sequence[] {
  return fields.flatMap((field) =>
    wrongs.map((wrong): Sequence => ({
      name: `T${field.message}: ${field.key} is ${wrong.what}`,
      holds: `${wrong.said}, and the folder is as it was`,
      by: '9P',
      async run(arena) {
        expect(await send(arena, field, wrong)).toBe(wrong.said);
      },
    })),
  );
}

export const NAME_SEQUENCES: readonly Sequence[] = [
  ...named(NAME_FIELDS, BAD_NAMES),
  ...named(
    NAME_FIELDS.filter(({ message }) => message !== 'walk'),
    DOTS,
  ),
  ...named(XATTR_NAME_FIELDS, BAD_XATTRS),
  ...named(TARGET_FIELDS, BAD_TARGETS),
];

interface WrongFid {
  readonly what: string;
  fid(arena: Arena, attacker: P9Attacker, right: number): number | Promise<number>;
}

/** Another client's, who has a number that this one has given to nothing. */
const ELSEWHERE_FID = 4242;

const WRONG_FIDS: readonly WrongFid[] = [
  { what: 'none', fid: () => NOFID },
  { what: 'zero', fid: () => 0 },
  { what: 'one that was never made', fid: () => 100_000 },
  {
    what: 'one that was clunked',
    fid: async (_arena, attacker, right) => {
      await attacker.must('clunk', { fid: right });
      return right;
    },
  },
  {
    what: 'another client’s',
    fid: async (arena) => {
      const { attacker, root } = await arena.attached('TCP');
      await attacker.must('walk', { fid: root, newfid: ELSEWHERE_FID, names: ['file'] });
      return ELSEWHERE_FID;
    },
  },
];

const FORGED: readonly Sequence[] = FID_FIELDS.flatMap(({ message, key }) =>
  WRONG_FIDS.map(({ what, fid }): Sequence => ({
    name: `T${message}: ${key} is ${what}`,
    holds: 'EBADF, and the folder is as it was',
    by: '9P',
    async run(arena) {
      const { attacker, some } = await attachedFor(arena, 'WebSocket', message);
      const before = arena.lookInside();
      const values = validRequest(message, some);
      const forged = await fid(arena, attacker, Number(values[key]));
      const sent = encodeBodyOf(message, { ...values, [key]: forged });
      expect((await attacker.callBody(message, sent)).said).toBe('EBADF');
      expect(arena.lookInside()).toEqual(before);
    },
  })),
);

const REUSED: readonly Sequence[] = NEW_FID_FIELDS.flatMap(({ message, key }) =>
  (['in use', 'in use and open', 'none'] as const).map((what): Sequence => ({
    name: `T${message}: the fid to be made is ${what}`,
    holds: 'EINVAL, and what the fid was about it still is',
    by: '9P',
    async run(arena) {
      const { attacker, some } = await attachedFor(arena, 'WebSocket', message);
      const { link, openFile } = some;
      const fid = what === 'none' ? NOFID : what === 'in use' ? link : openFile;
      const values = { ...validRequest(message, some), [key]: fid };
      expect((await attacker.callBody(message, encodeBodyOf(message, values))).said).toBe('EINVAL');
      expect((await attacker.must('readlink', { fid: link })).target).toBe('../outside/secret');
      await attacker.must('read', { fid: openFile, offset: 0, count: 4 });
    },
  })),
);

type Kind = keyof SomeFids;

/** A fid of another kind than the message is about. */
const WRONG_KINDS: readonly [message: MessageName, key: string, kind: Kind, said: string][] = [
  ['lopen', 'fid', 'openFile', 'EINVAL'],
  ['lopen', 'fid', 'openDirectory', 'EINVAL'],
  ['lopen', 'fid', 'link', 'EINVAL'],
  ['lcreate', 'fid', 'file', 'ENOTDIR'],
  ['lcreate', 'fid', 'link', 'ENOTDIR'],
  ['lcreate', 'fid', 'openDirectory', 'EINVAL'],
  ['ucreate', 'fid', 'file', 'ENOTDIR'],
  ...(['symlink', 'mknod', 'mkdir', 'link', 'rename', 'unlinkat'] as const).flatMap((message) =>
    (['file', 'link', 'openFile'] as const).map((kind): [MessageName, string, Kind, string] => [
      message,
      'dfid',
      kind,
      'ENOTDIR',
    ]),
  ),
  ['renameat', 'olddfid', 'file', 'ENOTDIR'],
  ['renameat', 'newdfid', 'link', 'ENOTDIR'],
  ['link', 'fid', 'directory', 'EPERM'],
  ['readlink', 'fid', 'file', 'EINVAL'],
  ['readlink', 'fid', 'directory', 'EINVAL'],
  ['readdir', 'fid', 'directory', 'EBADF'],
  ['readdir', 'fid', 'openFile', 'ENOTDIR'],
  ['read', 'fid', 'file', 'EBADF'],
  ['read', 'fid', 'openDirectory', 'EISDIR'],
  ['write', 'fid', 'file', 'EBADF'],
  ['write', 'fid', 'openDirectory', 'EBADF'],
  ['fsync', 'fid', 'file', 'EBADF'],
  ['flushf', 'fid', 'file', 'EBADF'],
  ['allocate', 'fid', 'file', 'EBADF'],
  ['allocate', 'fid', 'openDirectory', 'EBADF'],
  ['lock', 'fid', 'file', 'EBADF'],
  ['getlock', 'fid', 'file', 'EBADF'],
  ['xattrcreate', 'fid', 'openFile', 'EINVAL'],
  ['walk', 'fid', 'file', 'ENOTDIR'],
  ['walk', 'fid', 'link', 'ENOTDIR'],
  ['walkgetattr', 'fid', 'link', 'ENOTDIR'],
  ['walkgetattr', 'fid', 'openDirectory', 'EBUSY'],
];

const KINDS = WRONG_KINDS.map(([message, key, kind, said]): Sequence => ({
  name: `T${message}: ${key} is that of ${kind}`,
  holds: `${said}, and the folder is as it was`,
  by: '9P',
  async run(arena) {
    const { attacker, some } = await attachedFor(arena, 'WebSocket', message);
    const before = arena.lookInside();
    const values = { ...validRequest(message, some), [key]: some[kind] };
    expect((await attacker.callBody(message, encodeBodyOf(message, values))).said).toBe(said);
    expect(arena.lookInside()).toEqual(before);
  },
}));

export const FID_SEQUENCES: readonly Sequence[] = [...FORGED, ...REUSED, ...KINDS];

/** What a number of any size may be: all it has room for, and what others take for a sign. */
function extremesOf(field: unknown): (number | bigint)[] {
  if (field instanceof BigU64Field) return [0n, 1n, 1n << 31n, 1n << 53n, (1n << 64n) - 1n];
  if (!(field instanceof IntegerField)) throw new Error('no number');
  const { min, max } = field;
  const around = [min, min + 1, 1, 2 ** 31, 2 ** 32, max - 1, max];
  return [...new Set(around.filter((value) => value >= min && value <= max))];
}

const SETTING: Readonly<Record<string, number>> = {
  mode: SETATTR_MODE,
  uid: SETATTR_UID,
  gid: SETATTR_GID,
  size: SETATTR_SIZE,
};

/** What else a request says, so that the number counts. */
function beside(message: MessageName, key: string): AnyValues {
  if (message === 'write') return { data: new Uint8Array(1) };
  // A length that a filesystem might really set aside is none to try.
  if (message === 'allocate') return { offset: Number.MAX_SAFE_INTEGER };
  if (!message.startsWith('setattr')) return {};
  return { valid: SETTING[key] ?? SETATTR_ATIME };
}

/** What a server must never say: that it has a bug. A frame that is right doesn't end a link. */
const NEVER = /^(?:EREMOTEIO|closed|EIO)/;

const EXTREMES: readonly Sequence[] = NUMBER_FIELDS.map(({ message, key }) => ({
  name: `T${message}: ${key} has each extreme`,
  holds: 'an answer that is no bug of the server’s',
  by: '9P',
  async run(arena) {
    const { attacker, root } = await attachedFor(arena, 'TCP', message);
    for (const value of extremesOf(tableOf(message)[key])) {
      const some = await someFids(attacker, root);
      const values = { ...validRequest(message, some), ...beside(message, key), [key]: value };
      const { said } = await attacker.callBody(message, encodeBodyOf(message, values));
      expect(said, `${key} ${value}`).not.toMatch(NEVER);
      await attacker.call('clunk', { fid: FRESH_FID });
    }
  },
}));

/** Stands for a number of eight bytes in a request, and is found in it. */
const MARK = 0x11_2233_4455_6677;
const MARK_BYTES = Uint8Array.of(0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0);

const BEYOND: readonly Sequence[] = NUMBER_FIELDS.filter(
  ({ message, key }) => tableOf(message)[key] === u64,
).map(({ message, key }) => ({
  name: `T${message}: ${key} is more than any file has`,
  holds: 'EIO, and the folder is as it was',
  by: '9P',
  async run(arena) {
    const { attacker, some } = await attachedFor(arena, 'TCP', message);
    const before = arena.lookInside();
    for (const top of [0x20, 0x7f, 0x80, 0xff]) {
      const body = encodeBodyOf(message, { ...validRequest(message, some), [key]: MARK });
      const huge = new Uint8Array(8).fill(0xff, 0, 7);
      huge[7] = top;
      const sent = replaceBytes(body, MARK_BYTES, huge);
      expect((await attacker.callBody(message, sent)).said).toBe('EIO');
    }
    expect(arena.lookInside()).toEqual(before);
  },
}));

export const NUMBER_SEQUENCES: readonly Sequence[] = [...EXTREMES, ...BEYOND];

export const BODY_SEQUENCES: readonly Sequence[] = REQUESTS.map((message) => ({
  name: `T${message} that ends at each byte, and that goes on`,
  holds: 'EIO, and the folder is as it was',
  by: '9P',
  async run(arena) {
    const { attacker, some } = await attachedFor(arena, 'TCP', message);
    const before = arena.lookInside();
    const body = encodeBodyOf(message, validRequest(message, some));
    const wrong = [new Uint8Array([...body, 0])];
    for (let size = 0; size < body.length; size++) wrong.push(body.slice(0, size));
    for (const bytes of wrong) {
      expect((await attacker.callBody(message, bytes)).said).toBe('EIO');
    }
    expect(arena.lookInside()).toEqual(before);
  },
}));

async function onReadOnly(way: Way, message: MessageName, arena: Arena) {
  const { attacker, root } = await arena.attached(way, versionOf(message));
  const [directory, file] = [await attacker.walk(root, 'dir'), await attacker.walk(root, 'file')];
  return { attacker, root, directory, file };
}

export const READ_ONLY_SEQUENCES: readonly Sequence[] = [
  ...CHANGES.map((message): Sequence => ({
    name: `T${message} on a read-only server`,
    holds: 'EROFS, and the folder is as it was',
    server: 'readOnly',
    by: '9P',
    async run(arena) {
      const { attacker, directory, file } = await onReadOnly('TCP', message, arena);
      const before = arena.lookInside();
      const some = { directory, file, link: file, openFile: file, openDirectory: directory };
      const body = encodeBodyOf(message, validRequest(message, some));
      expect((await attacker.callBody(message, body)).said).toBe('EROFS');
      expect(arena.lookInside()).toEqual(before);
    },
  })),
  {
    name: 'Tlopen to write or to truncate, and Twrite, on a read-only server',
    holds: 'EROFS, and EBADF for what is open to be read',
    server: 'readOnly',
    by: '9P',
    async run(arena) {
      const { attacker, root, file: fid } = await onReadOnly('WebSocket', 'lopen', arena);
      for (const flags of [O_RDWR, O_RDWR | O_TRUNC, O_RDONLY | O_TRUNC]) {
        expect((await attacker.call('lopen', { fid, flags })).said).toBe('EROFS');
      }
      const opened = await attacker.open(root, O_RDONLY, 'file');
      const data = Uint8Array.of(1);
      expect((await attacker.call('write', { fid: opened, offset: 0, data })).said).toBe('EBADF');
    },
  },
];
