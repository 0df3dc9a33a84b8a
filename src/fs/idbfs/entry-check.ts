// The entries of one directory, by name and by position, looked at one by one: only where their
// sums differ.

import { LinuxError } from '../../abi/errno.ts';
import { DT_UNKNOWN, direntType } from '../../abi/stat.ts';
import type { Op } from '../../lib/op.ts';
import type { StoreView, ViewEntries } from '../../store/store-view.ts';
import type { Report } from './finding.ts';
import {
  cookieKey,
  cookieKeysEnd,
  cookieOf,
  decodeInode,
  decodeName,
  decodePosition,
  encodeName,
  encodePosition,
  inodeKey,
  nameKey,
} from './items.ts';
import type { Group } from './tree-scan.ts';

const ENTRIES_AT_ONCE = 256;

interface Position {
  readonly ino: number;
  readonly type: number;
  readonly name: string;
}

/** Reports entries that have only one of their two items, or two that differ. */
export function* checkEntries(view: StoreView, group: Group, report: Report): Op<void> {
  const dir = group.ino;
  let nextCookie = Math.max(group.cookieMax + 1, group.inode?.nextCookie ?? 0, 3);
  yield* items(view, nameKey(dir, ''), cookieKey(dir, 0), function* (key, value) {
    const entry = decodeName(value);
    const name = key.slice(5);
    const position = yield* positionAt(view, dir, entry.cookie);
    if (position?.name === name && position.ino === entry.ino) return;
    const isTaken = position !== undefined && position.name !== name;
    const cookie = isTaken || entry.cookie < 3 ? nextCookie++ : entry.cookie;
    const type = yield* typeOf(view, entry.ino);
    yield* report({
      ino: dir,
      name,
      text: 'a listing does not show it, or shows something else',
      fix: {
        phase: 'items',
        what: 'the listing shows it',
        apply(edits) {
          edits.put(nameKey(dir, name), encodeName(entry.ino, cookie));
          edits.put(cookieKey(dir, cookie), encodePosition({ ino: entry.ino, type, name }));
        },
      },
    });
  });
  yield* items(view, cookieKey(dir, 0), cookieKeysEnd(dir), function* (key, value) {
    const position = decodePosition(value);
    const cookie = cookieOf(key);
    const item = yield* readable(view, nameKey(dir, position.name));
    const entry = item === undefined ? undefined : decodeName(item);
    // What the name says counts, and the look at names has seen to it.
    if (entry?.cookie === cookie) return;
    yield* report({
      ino: dir,
      name: position.name,
      text: entry === undefined ? 'only a listing shows it' : 'a listing shows it twice',
      fix: {
        phase: 'items',
        what: entry === undefined ? 'the name is put back' : 'once is enough',
        apply(edits) {
          if (entry !== undefined) edits.put(key, undefined);
          else edits.put(nameKey(dir, position.name), encodeName(position.ino, cookie));
        },
      },
    });
  });
}

/** Items within a range that can be read and make sense. */
function* items(
  view: StoreView,
  from: string,
  to: string,
  visit: (key: string, value: Uint8Array) => Op<void>,
): Op<void> {
  for (let key: string | undefined = from; key !== undefined && key < to;) {
    const found: ViewEntries = yield* view.entries(key, ENTRIES_AT_ONCE);
    for (const entry of found.entries) {
      if (entry.kind !== 'item' || entry.key >= to) continue;
      try {
        yield* visit(entry.key, entry.value);
      } catch (error) {
        // What can't be decoded has been reported.
        if (!(error instanceof LinuxError)) throw error;
      }
    }
    key = found.next;
  }
}

function* positionAt(view: StoreView, dir: number, cookie: number): Op<Position | undefined> {
  const item = yield* readable(view, cookieKey(dir, cookie));
  return item === undefined ? undefined : decodePosition(item);
}

function* typeOf(view: StoreView, ino: number): Op<number> {
  const item = yield* readable(view, inodeKey(ino));
  return item === undefined ? DT_UNKNOWN : direntType(decodeInode(item).mode);
}

/** Undefined also if it can't be read. */
function* readable(view: StoreView, key: string): Op<Uint8Array | undefined> {
  try {
    return yield* view.get(key);
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    return undefined;
  }
}
