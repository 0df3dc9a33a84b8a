// What a message takes before it is handled: the fids whose requests it stands in line with, and
// the memory it and its reply need.

import { HEADER_SIZE } from './frame.ts';
import type { MessageName } from './messages.ts';
import { LOCK_FLAGS_BLOCK, LOCK_TYPE_UNLCK } from './records.ts';
import type { Values } from './server-handlers.ts';

/** They leave their fid as it is: those of one fid may be under way together. */
const SHARING: ReadonlySet<MessageName> = new Set([
  'getattr',
  'getlock',
  'getxattr',
  'listxattr',
  'lock',
  'multigetattr',
  'read',
  'readdir',
  'readlink',
  'statfs',
  'walk',
  'walkgetattr',
  'xattrwalk',
]);
/** They may wait for long, and nobody waits for them: not even Tclunk. */
const ASIDE: ReadonlySet<MessageName> = new Set(['lock']);

const FID_FIELDS = ['fid', 'dfid', 'olddfid', 'newdfid'];
const NEW_FID_FIELDS = ['newfid'];

/** Of a reply that isn't data: names may be longer, and attributes of many. */
const REPLY_BYTES = 1024;
/** Replies that may be as large as a value of an extended attribute, or a path. */
const LARGE_REPLIES: ReadonlySet<MessageName> = new Set([
  'getxattr',
  'listxattr',
  'readlink',
  'xattrwalk',
]);
const LARGE_REPLY_BYTES = 64 << 10;
/** Of each name that was walked: attributes, at most. */
const REPLY_BYTES_EACH = 256;

function numbersOf(values: Values, fields: readonly string[]): number[] {
  return fields.flatMap((field) => {
    const value = (values as Readonly<Record<string, unknown>>)[field];
    return typeof value === 'number' ? [value] : [];
  });
}

/** A request's place among those of its client. */
export class Place {
  /** Fids that it leaves as they are. */
  readonly #shared: readonly number[];
  readonly #alone: readonly number[];
  readonly isAside: boolean;
  /** It may wait as long as others like. */
  readonly isParked: boolean;

  constructor(name: MessageName, values: Values) {
    const named = numbersOf(values, FID_FIELDS);
    const made = numbersOf(values, NEW_FID_FIELDS);
    this.#shared = SHARING.has(name) ? named : [];
    this.#alone = SHARING.has(name) ? made : [...named, ...made];
    this.isAside = ASIDE.has(name);
    this.isParked = name === 'lock' && mayWait(values);
  }

  /** Must one that came later wait for it? */
  isBefore(later: Place): boolean {
    if (this.isAside) return false;
    const touches = (fid: number): boolean =>
      later.#alone.includes(fid) || later.#shared.includes(fid);
    return this.#alone.some(touches) || this.#shared.some((fid) => later.#alone.includes(fid));
  }
}

function mayWait(values: Values): boolean {
  const { type, flags } = values as unknown as { readonly type: number; readonly flags: number };
  return type !== LOCK_TYPE_UNLCK && (flags & LOCK_FLAGS_BLOCK) !== 0;
}

/** Bytes that a request and its reply take, about: the reply is made of what was read. */
export function costOf(name: MessageName, values: Values, bodySize: number, msize: number): number {
  const request = HEADER_SIZE + bodySize;
  if (name === 'read' || name === 'readdir') {
    const { count } = values as unknown as { readonly count: number };
    return request + REPLY_BYTES + 2 * Math.min(count, msize);
  }
  if (LARGE_REPLIES.has(name)) return request + 2 * Math.min(LARGE_REPLY_BYTES, msize);
  const { names = [] } = values as { readonly names?: readonly string[] };
  return request + REPLY_BYTES + names.length * REPLY_BYTES_EACH;
}
