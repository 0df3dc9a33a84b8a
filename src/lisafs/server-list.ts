// Directories. Mirrors gVisor pkg/lisafs/handlers.go (Getdents64Handler).
//
// Getdents64 goes on where its open FD stands. ListDir, ours, needs no open FD, and tells of each
// entry what the client would ask for next.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { O_RDONLY } from '../abi/fcntl.ts';
import type { Mutex } from '../lib/op.ts';
import { type Op, runAsync, waitFor } from '../lib/op.ts';
import { utf8Length } from '../lib/text.ts';
import { LIST_ATTRIBUTES, LIST_CONTROL_FDS } from './extensions.ts';
import { MESSAGES } from './messages.ts';
import type { ResponseOf } from './messages.ts';
import type { Inode } from './records.ts';
import type { ListedName, OpenedFile } from './served-file.ts';
import type { ControlFD } from './server-fds.ts';
import { checkThere, type Handlers, type Request } from './server-request.ts';

/** Files of a directory that are looked at together. */
const LOOKED_AT_TOGETHER = 32;
/** Of a reply, beside its entries. */
const REPLY_BYTES = 256;
/** Of an entry of ListDir, beside its name. */
const LISTED_BYTES = 32;
const INODE_BYTES = 152;

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

/** Names from `cookie` on that take `room` bytes at most; at least one, if there are any. */
function* namesThatFit(
  opened: OpenedFile,
  { cookie, room, bytesEach }: { cookie: number; room: number; bytesEach: number },
): Op<{ names: readonly ListedName[]; isEnd: boolean }> {
  const names: ListedName[] = [];
  let left = room;
  let at = cookie;
  for (;;) {
    const more = yield* opened.list(at);
    if (more.length === 0) return { names, isEnd: true };
    for (const each of more) {
      left -= bytesEach + utf8Length(each.name);
      if (left < 0) return { names, isEnd: false };
      names.push(each);
      at = each.cookie;
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
  const inodes: (Inode | undefined)[] = [];
  for (let at = 0; at < names.length; at += LOOKED_AT_TOGETHER) {
    const some = names.slice(at, at + LOOKED_AT_TOGETHER);
    const looks = some.map(({ name }) => runAsync(lookAtOne(request, directory, name, withFDs)));
    // All have ended then, whatever became of them.
    for (const look of yield* waitFor(Promise.allSettled(looks))) {
      if (look.status === 'rejected') throw look.reason;
      inodes.push(look.value);
    }
  }
  return inodes;
}

function isDots(name: string): boolean {
  return name === '.' || name === '..';
}

function* lookAtOne(
  request: Request,
  { node, file }: ControlFD,
  name: string,
  withFDs: boolean,
): Op<Inode | undefined> {
  if (isDots(name)) return undefined;
  try {
    if (!withFDs) return { controlFD: 0, statx: yield* file.statAt(name) };
    return request.addControl(node, name, yield* file.walk(name));
  } catch (error) {
    // Removed meanwhile, or nothing this server has.
    if (error instanceof LinuxError) return undefined;
    throw error;
  }
}

interface ListRequest {
  readonly cookie: number;
  readonly maxBytes: number;
  readonly flags: number;
}

function* listDir(
  request: Request,
  directory: ControlFD,
  { cookie, maxBytes, flags }: ListRequest,
): Op<ResponseOf<'ListDir'>> {
  const { file, listing } = directory;
  const withFDs = (flags & LIST_CONTROL_FDS) !== 0;
  const withInodes = withFDs || (flags & LIST_ATTRIBUTES) !== 0;
  if (cookie === 0 || listing.opened === undefined) yield* openListing(directory);
  const { opened } = listing;
  if (opened === undefined) throw linuxerr.EIO;
  const dir = yield* file.stat();
  const bytesEach = LISTED_BYTES + (withInodes ? INODE_BYTES : 0);
  const room = Math.min(maxBytes, request.scope.payloadMax - REPLY_BYTES);
  const { names, isEnd } = yield* namesThatFit(opened, { cookie, room, bytesEach });
  if (!isEnd && names.length === 0) throw linuxerr.EINVAL;
  if (withFDs) request.fds.checkRoom(names.length);
  const inodes = withInodes ? yield* lookAt(request, directory, names, withFDs) : [];
  const entries = names.map((each, index): ListedEntry => ({
    name: each.name,
    cookie: each.cookie,
    ino: each.ino,
    type: each.type,
    inode: inodes[index],
  }));
  if (isEnd) yield* closeListing(directory);
  return { dir, isEnd, entries };
}

function* openListing(directory: ControlFD): Op<void> {
  yield* closeListing(directory);
  directory.listing.opened = yield* directory.file.open(O_RDONLY);
}

function* closeListing({ listing }: ControlFD): Op<void> {
  const { opened } = listing;
  listing.opened = undefined;
  if (opened !== undefined) yield* opened.close();
}

export const LIST_HANDLERS: Handlers<'Getdents64' | 'ListDir'> = {
  *Getdents64(request, { dirFD, count }) {
    const fd = yield* request.open(dirFD);
    const { control, opened } = fd;
    if (!control.isDirectory) throw linuxerr.ENOTDIR;
    return yield* request.reading(control.node, () =>
      locked(fd.listMu, function* () {
        checkThere(control.node);
        if (count < 0) fd.cookie = 0;
        const room = Math.min(Math.abs(count), request.scope.payloadMax - REPLY_BYTES);
        const wanted = { cookie: fd.cookie, room, bytesEach: DIRENT_BYTES };
        const { names, isEnd } = yield* namesThatFit(opened, wanted);
        if (!isEnd && names.length === 0) throw linuxerr.EINVAL;
        fd.cookie = names.at(-1)?.cookie ?? fd.cookie;
        return { dirents: names.map(direntOf) };
      }),
    );
  },

  *ListDir(request, { dirFD, ...wanted }) {
    const directory = yield* request.directory(dirFD);
    return yield* request.reading(directory.node, () =>
      locked(directory.listing.mu, function* () {
        checkThere(directory.node);
        return yield* listDir(request, directory, wanted);
      }),
    );
  },
};
