// Requests of every message, made of the messages' own tables: well-formed, about files that are
// there, and with one field that is as the attacker wants it.

import { type FieldTable, ArrayField, StructField } from '../../src/lib/wire.ts';
import {
  BigU64Field,
  BooleanField,
  BytesField,
  type Field,
  IntegerField,
  PaddingField,
  StringField,
} from '../../src/lib/wire-fields.ts';
import { type MessageName, MESSAGES, messageRow } from '../../src/lisafs/messages.ts';
import { fds, NO_ID, path, xattrName } from '../../src/lisafs/records.ts';

/** FDs of files that are there, and of each kind. */
export interface SomeFds {
  readonly directory: number;
  readonly file: number;
  readonly openFile: number;
  readonly openDirectory: number;
}

export type AnyValues = Record<string, unknown>;

/** Messages that a client sends and that are answered, but Session and Error. */
export const REQUESTS: readonly MessageName[] = (Object.keys(MESSAGES) as MessageName[]).filter(
  (name) => {
    const { sender, request, response } = messageRow(name);
    return sender === 'client' && request !== undefined && response && name !== 'Session';
  },
);

/** Messages about an open FD; those about the rest are about a control FD. */
const OF_OPEN_FD: readonly MessageName[] = [
  ...(['FSync', 'PWrite', 'PRead', 'FAllocate', 'Flush', 'SetLock', 'GetLock'] as const),
];
const DIRECTORY_KEYS: readonly string[] = ['dirFD', 'oldDir', 'newDir'];
const FD_KEYS: readonly string[] = [...DIRECTORY_KEYS, 'fd', 'targetFD'];

function fdFor(message: MessageName, key: string, some: SomeFds): number {
  if (message === 'Getdents64') return some.openDirectory;
  if (DIRECTORY_KEYS.includes(key)) return some.directory;
  return OF_OPEN_FD.includes(message) ? some.openFile : some.file;
}

/** With `instanceof` alone, TypeScript knows nothing of the table. */
function isStruct(field: Field<unknown>): field is StructField<FieldTable> {
  return field instanceof StructField;
}

function plainValue(field: Field<unknown>): unknown {
  if (isStruct(field)) return plainValues(field.table);
  if (field instanceof IntegerField) return Math.max(0, field.min);
  if (field instanceof BigU64Field) return 0n;
  if (field instanceof BooleanField) return false;
  if (field instanceof StringField) return 'fresh';
  if (field instanceof BytesField) return new Uint8Array(0);
  if (field === path) return ['fresh'];
  if (field instanceof ArrayField) return [plainValue(field.element as Field<unknown>)];
  throw new Error(`no value for ${field.label}`);
}

function plainValues(table: FieldTable): AnyValues {
  const entries = Object.entries(table).filter(([, field]) => !(field instanceof PaddingField));
  return Object.fromEntries(entries.map(([key, field]) => [key, plainValue(field)]));
}

export function tableOf(message: MessageName): FieldTable {
  return messageRow(message).request!.table;
}

/** A request that nothing is wrong with. */
export function validRequest(message: MessageName, some: SomeFds): AnyValues {
  const values = plainValues(tableOf(message));
  for (const key of Object.keys(values)) {
    if (FD_KEYS.includes(key)) values[key] = fdFor(message, key, some);
    if (key === 'fds') values[key] = [fdFor(message, key, some)];
    if (key === 'uid' || key === 'gid') values[key] = NO_ID;
    if (key === 'mode' && message !== 'FAllocate') values[key] = 0o600;
  }
  // Each has something of its own without which it is none.
  if (message === 'Watch') values['mask'] = 1;
  if (message === 'ListDir' || message === 'Getdents64') {
    values[message === 'ListDir' ? 'maxBytes' : 'count'] = 4096;
  }
  return values;
}

/** A field of a message, and what stands for it in its name. */
export interface MessageField {
  readonly message: MessageName;
  readonly key: string;
}

function fieldsThat(isWanted: (field: Field<unknown>, key: string) => boolean): MessageField[] {
  return REQUESTS.flatMap((message) =>
    Object.entries(tableOf(message)).flatMap(([key, field]) =>
      isWanted(field, key) ? [{ message, key }] : [],
    ),
  );
}

/** Names of files: alone, or in a path. */
export const NAME_FIELDS = fieldsThat(
  (field, key) =>
    field === path || (field instanceof StringField && field !== xattrName && key !== 'target'),
);
export const XATTR_NAME_FIELDS = fieldsThat((field) => field === xattrName);
export const FD_FIELDS = fieldsThat((field, key) => FD_KEYS.includes(key) || field === fds);
/** Numbers that are no FDs. */
export const NUMBER_FIELDS = fieldsThat(
  (field, key) => field instanceof IntegerField && !FD_KEYS.includes(key),
);

/** Sets a field, or the one element of it if it is an array. */
export function withField(values: AnyValues, key: string, value: unknown): AnyValues {
  return { ...values, [key]: Array.isArray(values[key]) ? [value] : value };
}

export function encodeRequestOf(message: MessageName, values: AnyValues): Uint8Array {
  return messageRow(message).request!.encode(values);
}

/** Puts bytes in the place of others that are as many: what no encoder would write. */
export function replaceBytes(payload: Uint8Array, from: Uint8Array, to: Uint8Array): Uint8Array {
  const at = payload.findIndex((_, index) =>
    from.every((byte, offset) => payload[index + offset] === byte),
  );
  if (at < 0 || from.length !== to.length) throw new Error('there is nothing to be replaced');
  const replaced = payload.slice();
  replaced.set(to, at);
  return replaced;
}
