// Entry: a file in an archive, whatever the format, and what its name may be.

import type { Timespec } from '../lib/clock.ts';
import { damaged, quote } from './archive-error.ts';

export interface Entry {
  /** Beneath the archive's root, as 'dir/file'; '' is the root itself. */
  readonly path: string;
  /** S_IFMT bits. */
  readonly type: number;
  /** S_PERMISSIONS bits. */
  readonly permissions: number;
  /** Bytes of a regular file's content. */
  readonly size: number;
  /** Undefined where the format doesn't say. */
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly mtime: Timespec | undefined;
  readonly atime: Timespec | undefined;
  /** Where a symlink leads. */
  readonly target: string;
  /** The path of the entry that this is another name of. */
  readonly linkTo: string | undefined;
  /** Of a device. */
  readonly rdev: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/** A part of a file's content. What lies between pieces is zero. */
export interface Piece {
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** An entry of an archive that is read. Its content can be read until the next one is asked for. */
export interface ReadEntry extends Entry {
  content(): AsyncGenerator<Piece>;
}

/** An entry of a tree that is exported. */
export interface TreeEntry extends Entry {
  content(): AsyncGenerator<Uint8Array>;
}

/** Bytes of content that are handled at once. */
export const PIECE_SIZE = 1 << 17;

/**
 * An entry's name as a path beneath the archive's root. Slashes in front are dropped, as are empty
 * and "." components. Errors: ArchiveError for a ".." component or a NUL.
 */
export function parseEntryPath(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw damaged(`${quote(name)} leads out of the archive: it has ".."`);
  if (name.includes('\0')) throw damaged(`${quote(name)} has a NUL in its name`);
  return parts.join('/');
}
