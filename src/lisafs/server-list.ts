// Directories. Mirrors gVisor pkg/lisafs/handlers.go (Getdents64Handler).
//
// Getdents64 goes on where its open FD stands. ListDir, ours, needs no open FD, and tells of each
// entry what the client would ask for next.

import { linuxerr } from '../abi/errno.ts';
import { O_RDONLY } from '../abi/fcntl.ts';
import type { Mutex } from '../lib/op.ts';
import { type Op, runAsync, waitFor } from '../lib/op.ts';
import { utf8Length } from '../lib/text.ts';
import { checkThere, lookingAt } from '../served/locked.ts';
import type { ListedName, OpenedFile } from '../served/served-file.ts';
import { LIST_ATTRIBUTES, LIST_CONTROL_FDS } from './extensions.ts';
import { MESSAGES } from './messages.ts';
import type { ResponseOf } from './messages.ts';
import { type Inode, inode as inodeLayout, INVALID_FD } from './records.ts';
import type { ControlFD } from './server-fds.ts';
import type { Handlers, Request } from './server-request.ts';

/** Files of a directory that are looked at together. */
const LOOKED_AT_TOGETHER = 32;
/** In a reply: its count has 16 bits. */
const NAMES_MAX = 0xffff;
/** Of a reply, beside its entries. */
const REPLY_BYTES = 256;
/** Of an entry of ListDir, beside its name. */
const LISTED_BYTES = 32;

type Dirent = ResponseOf<'Getdents64'>['dirents'][number];
type ListedEntry = ResponseOf<'ListDir'>['entries'][number];

function* locked<T>(mutex: Mutex, run: () => Op<T>): Op<T> {
  yield* mutex.lock();
  try {
    return yield* run();
  } finally {
    mutex.unlock();
  }
}

function direntOf({ name, ino, devMajor, devMinor, type, cookie }: ListedName): Dirent {
  return { ino, devMinor, devMajor, off: BigInt(cookie), type, name };
}

const { sizeMin: DIRENT_BYTES } = MESSAGES.Getdents64.response.table.dirents.element;

interface Wanted {
  readonly cookie: number;
  readonly room: number;
  readonly bytesEach: number;
  readonly withDots: boolean;
}

interface Fitting {
  readonly names: readonly ListedName[];
  readonly isEnd: boolean;
}

/** Names after `cookie` that take `room` bytes at most. Errors: EINVAL if not even one fits. */
function* namesThatFit(
  opened: OpenedFile,
  { cookie, room, bytesEach, withDots }: Wanted,
): Op<Fitting> {
  const names: ListedName[] = [];
  let left = room;
  let at = cookie;
  for (;;) {
    const more = yield* opened.list(at);
    if (more.length === 0) return { names, isEnd: true };
    for (const each of more) {
      at = each.cookie;
      if (!withDots && isDots(each.name)) continue;
      left -= bytesEach + utf8Length(each.name);
      if (left < 0 && names.length === 0) throw linuxerr.EINVAL;
      if (left < 0 || names.length === NAMES_MAX) return { names, isEnd: false };
      names.push(each);
    }
  }
}

/** What is at the names, `undefined` where there is nothing any more. */
function* lookAt(
  request: Request,
  directory: ControlFD,
  names: readonly ListedName[],
  withFDs: boolean,
): Op<(Inode | undefined)[]> {
  if (withFDs) request.reserve(names.length);
  const inodes: (Inode | undefined)[] = [];
  for (let at = 0; at < names.length; at += LOOKED_AT_TOGETHER) {
    const some = names.slice(at, at + LOOKED_AT_TOGETHER);
    const looks = some.map(({ name }) => runAsync(lookAtOne(request, directory, name, withFDs)));
    // All have ended then, whatever became of them.
    const ended = yield* waitFor(Promise.allSettled(looks));
    for (const look of ended) if (look.status === 'fulfilled') inodes.push(look.value);
    const failed = ended.find((look) => look.status === 'rejected');
    if (failed === undefined) continue;
    for (const inode of inodes) request.fds.close(inode?.controlFD ?? INVALID_FD);
    throw failed.reason;
  }
  return inodes;
}

function isDots(name: string): boolean {
  return name === '.' || name === '..';
}

/** Undefined if it has been removed meanwhile, or is nothing this server has. */
function* lookAtOne(
  request: Request,
  { node, file }: ControlFD,
  name: string,
  withFDs: boolean,
): Op<Inode | undefined> {
  try {
    if (withFDs) {
      const found = yield* lookingAt(node, name, () => file.walk(name));
      return request.addControl(node, name, found);
    }
    const statx = yield* lookingAt(node, name, () => file.statAt(name));
    return { controlFD: INVALID_FD, statx };
  } catch (error) {
    if (error === linuxerr.ENOENT || error === linuxerr.EPERM) return undefined;
    throw error;
  }
}

interface ListRequest {
  readonly cookie: number;
  readonly maxBytes: number;
  readonly flags: number;
}

interface Listed {
  readonly isEnd: boolean;
  readonly entries: readonly ListedEntry[];
}

/** Some of the entries; perhaps none, of names that are gone. */
function* listSome(
  request: Request,
  directory: ControlFD,
  opened: OpenedFile,
  { cookie, maxBytes, flags }: ListRequest,
): Op<Listed & { readonly last: number }> {
  const withFDs = (flags & LIST_CONTROL_FDS) !== 0;
  const withInodes = withFDs || (flags & LIST_ATTRIBUTES) !== 0;
  const bytesEach = LISTED_BYTES + (withInodes ? inodeLayout.sizeMin : 0);
  const room = Math.min(maxBytes, request.scope.payloadMax - REPLY_BYTES);
  const wanted = { cookie, room, bytesEach, withDots: false };
  const { names, isEnd } = yield* namesThatFit(opened, wanted);
  const inodes = withInodes ? yield* lookAt(request, directory, names, withFDs) : [];
  const entries = names.flatMap(({ name, cookie: position, ino, type }, index): ListedEntry[] => {
    const inode = inodes[index];
    if (withInodes && inode === undefined) return [];
    return [{ name, cookie: position, ino, type, inode }];
  });
  return { isEnd, entries, last: names.at(-1)?.cookie ?? cookie };
}

function* listDir(
  request: Request,
  directory: ControlFD,
  wanted: ListRequest,
): Op<ResponseOf<'ListDir'>> {
  const { file, listing } = directory;
  const dir = yield* file.stat();
  if (wanted.cookie === 0) endListing(request, directory);
  const opened = (listing.opened ??= yield* file.open(O_RDONLY));
  let { cookie } = wanted;
  for (;;) {
    const { isEnd, entries, last } = yield* listSome(request, directory, opened, {
      ...wanted,
      cookie,
    });
    if (isEnd) endListing(request, directory);
    if (isEnd || entries.length > 0) return { dir, isEnd, entries };
    cookie = last;
  }
}

/** What couldn't be told isn't gone on with: nothing stays open for it. */
function* listedOrEnded(
  request: Request,
  directory: ControlFD,
  wanted: ListRequest,
): Op<ResponseOf<'ListDir'>> {
  try {
    return yield* listDir(request, directory, wanted);
  } catch (error) {
    endListing(request, directory);
    throw error;
  }
}

function endListing({ fds }: Request, { listing }: ControlFD): void {
  const { opened } = listing;
  listing.opened = undefined;
  if (opened !== undefined) fds.closeLater(opened.close());
}

export const LIST_HANDLERS: Handlers<'Getdents64' | 'ListDir'> = {
  *Getdents64(request, { dirFD, count }) {
    const fd = yield* request.open(dirFD);
    const { control, opened } = fd;
    if (!control.isDirectory) throw linuxerr.ENOTDIR;
    return yield* request.reading(control, () =>
      locked(fd.listMu, function* () {
        checkThere(control.node);
        if (count < 0) fd.cookie = 0;
        const room = Math.min(Math.abs(count), request.scope.payloadMax - REPLY_BYTES);
        const wanted = { cookie: fd.cookie, room, bytesEach: DIRENT_BYTES, withDots: true };
        const { names } = yield* namesThatFit(opened, wanted);
        fd.cookie = names.at(-1)?.cookie ?? fd.cookie;
        return { dirents: names.map(direntOf) };
      }),
    );
  },

  *ListDir(request, { dirFD, ...wanted }) {
    const directory = yield* request.directory(dirFD);
    return yield* request.reading(directory, () =>
      locked(directory.listing.mu, function* () {
        checkThere(directory.node);
        return yield* listedOrEnded(request, directory, wanted);
      }),
    );
  },
};
