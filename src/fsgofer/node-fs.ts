// The calls of node:fs that the gofer makes: each returns a promise that fails with a LinuxError.
// The callbacks' form is used, as it takes descriptors by number and costs half of the other.

import * as fs from 'node:fs';
import type { Buffer } from 'node:buffer';
import { fromHostError } from './host-error.ts';

type Done<T> = (error: Error | null, value: T) => void;

function call<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error === null) resolve(value);
      else reject(fromHostError(error));
    });
  });
}

/** The same for calls without a result, whose callbacks may be given undefined for no error. */
function callVoid(start: (done: (error: Error | null | undefined) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => {
      if (error === null || error === undefined) resolve();
      else reject(fromHostError(error));
    });
  });
}

/** A descriptor, which whoever called has to close. */
export function open(path: Buffer, flags: number, mode = 0): Promise<number> {
  return call((done) => {
    fs.open(path, flags, mode, done);
  });
}

export function close(fd: number): Promise<void> {
  return callVoid((done) => {
    fs.close(fd, done);
  });
}

export function fstat(fd: number): Promise<fs.BigIntStats> {
  return call((done) => {
    fs.fstat(fd, { bigint: true }, done);
  });
}

export function lstat(path: Buffer): Promise<fs.BigIntStats> {
  return call((done) => {
    fs.lstat(path, { bigint: true }, done);
  });
}

export function stat(path: Buffer): Promise<fs.BigIntStats> {
  return call((done) => {
    fs.stat(path, { bigint: true }, done);
  });
}

export function statfs(path: Buffer): Promise<fs.BigIntStatsFs> {
  return call((done) => {
    fs.statfs(path, { bigint: true }, done);
  });
}

export function realpath(path: string): Promise<Buffer> {
  return call((done) => {
    fs.realpath.native(path, { encoding: 'buffer' }, done);
  });
}

export function read(fd: number, buffer: Uint8Array, position: number): Promise<number> {
  return call((done) => {
    fs.read(fd, buffer, 0, buffer.length, position, done);
  });
}

export function write(fd: number, bytes: Uint8Array, position: number): Promise<number> {
  return call((done) => {
    fs.write(fd, bytes, 0, bytes.length, position, done);
  });
}

export function fsync(fd: number): Promise<void> {
  return callVoid((done) => {
    fs.fsync(fd, done);
  });
}

export function fdatasync(fd: number): Promise<void> {
  return callVoid((done) => {
    fs.fdatasync(fd, done);
  });
}

export function ftruncate(fd: number, size: number): Promise<void> {
  return callVoid((done) => {
    fs.ftruncate(fd, size, done);
  });
}

export function fchown(fd: number, uid: number, gid: number): Promise<void> {
  return callVoid((done) => {
    fs.fchown(fd, uid, gid, done);
  });
}

export function fchmod(fd: number, mode: number): Promise<void> {
  return callVoid((done) => {
    fs.fchmod(fd, mode, done);
  });
}

export function chmod(path: Buffer, mode: number): Promise<void> {
  return callVoid((done) => {
    fs.chmod(path, mode, done);
  });
}

export function chown(path: Buffer, uid: number, gid: number): Promise<void> {
  return callVoid((done) => {
    fs.chown(path, uid, gid, done);
  });
}

export function lchown(path: Buffer, uid: number, gid: number): Promise<void> {
  return callVoid((done) => {
    fs.lchown(path, uid, gid, done);
  });
}

export function utimes(path: Buffer, atime: number | Date, mtime: number | Date): Promise<void> {
  return callVoid((done) => {
    fs.utimes(path, atime, mtime, done);
  });
}

export function lutimes(path: Buffer, atime: number | Date, mtime: number | Date): Promise<void> {
  return callVoid((done) => {
    fs.lutimes(path, atime, mtime, done);
  });
}

export function readlink(path: Buffer): Promise<Buffer> {
  return call((done) => {
    fs.readlink(path, { encoding: 'buffer' }, done);
  });
}

export function mkdir(path: Buffer, mode: number): Promise<void> {
  return callVoid((done) => {
    fs.mkdir(path, mode, done);
  });
}

export function symlink(target: Buffer, path: Buffer): Promise<void> {
  return callVoid((done) => {
    fs.symlink(target, path, null, done);
  });
}

/** On Linux a symbolic link is linked itself; elsewhere perhaps what it leads to. */
export function link(existing: Buffer, path: Buffer): Promise<void> {
  return callVoid((done) => {
    fs.link(existing, path, done);
  });
}

export function unlink(path: Buffer): Promise<void> {
  return callVoid((done) => {
    fs.unlink(path, done);
  });
}

export function rmdir(path: Buffer): Promise<void> {
  return callVoid((done) => {
    fs.rmdir(path, done);
  });
}

export function rename(from: Buffer, to: Buffer): Promise<void> {
  return callVoid((done) => {
    fs.rename(from, to, done);
  });
}

/** A listing with names as bytes, which Node's types don't know of. */
export interface HostListing {
  /** The next entry; undefined at the end. */
  next(): Promise<Buffer | undefined>;
  close(): Promise<void>;
}

/**
 * The next entry; null at the end. Undefined if it has gone meanwhile: where a filesystem doesn't
 * tell its entries' types Node asks for them, with lstat(2), and gives up what it has fetched.
 */
function readEntry(dir: fs.Dir): Promise<fs.Dirent | null | undefined> {
  return call((done) => {
    dir.read((error, entry) => {
      if (error?.syscall === 'lstat') done(null, undefined);
      else done(error, entry);
    });
  });
}

/** Entries Node fetches at once. */
const LISTING_BATCH = 128;

export async function opendir(path: Buffer): Promise<HostListing> {
  const options = { encoding: 'buffer' as BufferEncoding, bufferSize: LISTING_BATCH };
  const dir = await call<fs.Dir>((done) => {
    fs.opendir(path, options, done);
  });
  return {
    next: async () => {
      let entry: fs.Dirent | null | undefined;
      do entry = await readEntry(dir);
      while (entry === undefined);
      return entry === null ? undefined : (entry.name as unknown as Buffer);
    },
    close: () =>
      callVoid((done) => {
        dir.close(done);
      }),
  };
}

/** Tells a name of a directory to which something has happened, if the host says which. */
export function watch(path: Buffer, onChange: (name: Buffer | undefined) => void): fs.FSWatcher {
  try {
    return fs.watch(path, { encoding: 'buffer', persistent: false }, (_type, name) => {
      onChange(name ?? undefined);
    });
  } catch (error) {
    throw error instanceof Error ? fromHostError(error) : error;
  }
}
