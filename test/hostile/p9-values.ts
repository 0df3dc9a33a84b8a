// 9P's requests, made of the messages' own tables: well-formed, about files that are there, and
// with one field that is as the attacker wants it.

import { O_RDONLY, O_RDWR } from '../../src/abi/fcntl.ts';
import { ArrayField, type FieldTable, StructField } from '../../src/lib/wire.ts';
import {
  BigU64Field,
  BytesField,
  type Field,
  IntegerField,
  StringField,
  TrailingField,
} from '../../src/lib/wire-fields.ts';
import { type MessageName, messageRow, MESSAGES } from '../../src/p9/messages.ts';
import { NO_ID, NOFID, xattrName, xattrValue } from '../../src/p9/records.ts';
import { LATEST_VERSION } from '../../src/p9/version.ts';
import type { Arena } from './arena.ts';
import type { P9Attacker } from './p9-attacker.ts';
import type { Way } from './p9-wire.ts';
import type { AnyValues } from './request-values.ts';

/** Fids of files that are there, and of each kind. */
export interface SomeFids {
  readonly directory: number;
  readonly file: number;
  readonly link: number;
  readonly openFile: number;
  readonly openDirectory: number;
}

/** One that nobody has. */
export const FRESH_FID = 5000;

/** Messages about a fid, a connection's own (Tversion, Tflush) and those never served left out. */
export const REQUESTS: readonly MessageName[] = (Object.keys(MESSAGES) as MessageName[]).filter(
  (name) => {
    const isServed = !['version', 'flush', 'lconnect', 'channel'].includes(name);
    return isServed && messageRow(name).T !== undefined;
  },
);

/** Messages that change something, and would be refused where nothing may be changed. */
export const CHANGES: readonly MessageName[] = REQUESTS.filter((name) =>
  [
    ...['lcreate', 'ucreate', 'symlink', 'usymlink', 'mknod', 'umknod', 'mkdir', 'umkdir', 'link'],
    ...['rename', 'renameat', 'unlinkat', 'remove', 'setattr', 'setattrclunk'],
    ...['xattrcreate', 'setxattr', 'removexattr'],
  ].includes(name),
);

/** The version of a message: the standard's, or gVisor's latest. */
export function versionOf(message: MessageName): number {
  return messageRow(message).since === undefined ? 0 : LATEST_VERSION;
}

/** About an open fid; those of the rest are about one that isn't. */
const OF_OPEN_FILE: readonly MessageName[] = [
  ...(['read', 'write', 'fsync', 'lock', 'getlock', 'flushf', 'allocate'] as const),
];
const OF_DIRECTORY: readonly MessageName[] = [
  ...(['lcreate', 'ucreate', 'walk', 'walkgetattr', 'multigetattr'] as const),
];
const DIRECTORY_KEYS: readonly string[] = ['dfid', 'olddfid', 'newdfid'];
const FID_KEYS: readonly string[] = [...DIRECTORY_KEYS, 'fid'];

function fidFor(message: MessageName, key: string, some: SomeFids): number {
  if (DIRECTORY_KEYS.includes(key) || OF_DIRECTORY.includes(message)) return some.directory;
  if (message === 'attach') return FRESH_FID;
  if (message === 'readdir') return some.openDirectory;
  if (message === 'readlink') return some.link;
  return OF_OPEN_FILE.includes(message) ? some.openFile : some.file;
}

/** With `instanceof` alone, TypeScript knows nothing of the table. */
function isStruct(field: Field<unknown>): field is StructField<FieldTable> {
  return field instanceof StructField;
}

function plainValue(field: Field<unknown>): unknown {
  if (isStruct(field)) return plainValues(field.table);
  if (field === xattrName) return 'user.fresh';
  if (field === xattrValue) return new Uint8Array(1);
  if (field instanceof IntegerField) return Math.max(0, field.min);
  if (field instanceof BigU64Field) return 0n;
  if (field instanceof StringField) return 'fresh';
  if (field instanceof BytesField) return new Uint8Array(0);
  if (field instanceof TrailingField) return undefined;
  if (field instanceof ArrayField) return ['deep'];
  throw new Error(`no value for ${field.label}`);
}

function plainValues(table: FieldTable): AnyValues {
  return Object.fromEntries(Object.entries(table).map(([key, field]) => [key, plainValue(field)]));
}

export function tableOf(message: MessageName): FieldTable {
  return messageRow(message).T!.table;
}

/** Each has something of its own without which it is none. */
const OWN: Readonly<Partial<Record<MessageName, AnyValues>>> = {
  attach: { aname: '/' },
  readdir: { count: 4096 },
  mknod: { mode: 0o100600 },
  umknod: { mode: 0o100600 },
  lcreate: { flags: O_RDWR },
  ucreate: { flags: O_RDWR },
  renameat: { oldname: 'inner' },
  unlinkat: { name: 'inner' },
  // Nothing is freed or taken.
  allocate: { length: 1 },
};

/** A request that nothing is wrong with. */
export function validRequest(message: MessageName, some: SomeFids): AnyValues {
  const values = plainValues(tableOf(message));
  for (const key of Object.keys(values)) {
    if (FID_KEYS.includes(key)) values[key] = fidFor(message, key, some);
    if (key === 'newfid') values[key] = FRESH_FID;
    if (key === 'afid') values[key] = message === 'auth' ? FRESH_FID : NOFID;
    if (key === 'uid' || key === 'gid' || key === 'nUname') values[key] = NO_ID;
    if (key === 'mode' && message !== 'allocate') values[key] = 0o600;
  }
  return { ...values, ...OWN[message] };
}

/** The attacker's, in the folder as it is in the beginning. */
export async function someFids(attacker: P9Attacker, root: number): Promise<SomeFids> {
  return {
    directory: await attacker.walk(root, 'dir'),
    file: await attacker.walk(root, 'file'),
    link: await attacker.walk(root, 'link'),
    openFile: await attacker.open(root, O_RDWR, 'file'),
    openDirectory: await attacker.open(root, O_RDONLY, 'dir'),
  };
}

/** With the version that a message needs. */
export async function attachedFor(arena: Arena, way: Way, message: MessageName) {
  const { attacker, root } = await arena.attached(way, versionOf(message));
  return { attacker, root, some: await someFids(attacker, root) };
}

/** A field of a message, and what stands for it in its name. */
export interface P9Field {
  readonly message: MessageName;
  readonly key: string;
}

function fieldsThat(isWanted: (field: Field<unknown>, key: string) => boolean): P9Field[] {
  return REQUESTS.flatMap((message) =>
    Object.entries(tableOf(message)).flatMap(([key, field]) =>
      isWanted(field, key) ? [{ message, key }] : [],
    ),
  );
}

/** What an attach says of itself, and a lock of its owner, names no file. */
const NO_NAMES: readonly string[] = ['target', 'uname', 'aname', 'clientId'];

/** Names of files: alone, or in a walk. */
export const NAME_FIELDS = fieldsThat((field, key) => {
  const isName = field instanceof StringField || field instanceof ArrayField;
  return isName && field !== xattrName && !NO_NAMES.includes(key);
});
export const XATTR_NAME_FIELDS = fieldsThat((field) => field === xattrName);
export const TARGET_FIELDS = fieldsThat((_field, key) => key === 'target');
/** Fids that have to be there. An attach makes its own. */
export const FID_FIELDS = fieldsThat((_field, key) => FID_KEYS.includes(key)).filter(
  ({ message }) => message !== 'attach',
);
export const NEW_FID_FIELDS: readonly P9Field[] = [
  ...fieldsThat((_field, key) => key === 'newfid'),
  { message: 'attach', key: 'fid' },
];
/** Numbers that are no fids. */
export const NUMBER_FIELDS = fieldsThat((field, key) => {
  const isFid = FID_KEYS.includes(key) || key === 'newfid' || key === 'afid';
  return (field instanceof IntegerField || field instanceof BigU64Field) && !isFid;
});

export function encodeBodyOf(message: MessageName, values: AnyValues): Uint8Array {
  return messageRow(message).T!.encode(values);
}
