// Reading a zip archive that can be read at any place: by its directory, which is at its end. What
// the headers in front of the entries say is not looked at: they lack modes and symlinks, need not
// have sizes, and there may be some of entries that have been removed.

import { PATH_MAX } from '../abi/limits.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_PERMISSIONS } from '../abi/stat.ts';
import type { Timespec } from '../lib/clock.ts';
import { decodeUtf8 } from '../lib/text.ts';
import { ArchiveError, damaged, quote } from './archive-error.ts';
import { ByteReader, type RandomAccess, rangeOf, streamOf } from './byte-reader.ts';
import { inflateRaw } from './compression.ts';
import { crc32 } from './crc32.ts';
import { fromDosTime } from './dos-time.ts';
import { parseEntryPath, type Piece, type ReadEntry } from './entry.ts';
import { findDirectory } from './zip-end.ts';
import { decodeZipName } from './zip-name.ts';
import {
  centralHeader,
  decodeExtra,
  DOS_DIRECTORY,
  DOS_READ_ONLY,
  EXTRA,
  FLAG,
  HOST,
  localHeader,
  MAX_32,
  METHOD,
  SIGNATURE,
  timestamp,
  TIMESTAMP_MTIME,
} from './zip-records.ts';

const DIRECTORY = "the archive's directory";

/** What archives made elsewhere don't say. */
const PERMISSIONS = { directory: 0o755, file: 0o644, readOnly: 0o444 } as const;

/**
 * The entries of an archive, in the order of its directory.
 *
 * Errors: ArchiveError for what is damaged, cut off, encrypted or compressed in another way, and at
 * which entry; those of `access`.
 */
export async function* readZip(access: RandomAccess): AsyncGenerator<ZipEntry> {
  const directory = await findDirectory(access);
  const { start, end } = directory;
  const reader = new ByteReader(streamOf(rangeOf(access, start, end)));
  try {
    for (let count = 0; count < directory.entries; count++) {
      yield await readEntry(access, reader, directory.shift);
    }
  } finally {
    await reader.close();
  }
}

type CentralValues = NonNullable<ReturnType<typeof centralHeader.decode>>['values'];

async function readEntry(
  access: RandomAccess,
  reader: ByteReader,
  shift: number,
): Promise<ZipEntry> {
  const header = centralHeader.decode(await reader.readExactly(centralHeader.size, DIRECTORY));
  if (header?.values.signature !== SIGNATURE.central) throw damaged(`${DIRECTORY} is damaged`);
  const { values } = header;
  const rawName = (await reader.readExactly(values.nameSize, DIRECTORY)).slice();
  const extra = decodeExtra((await reader.readExactly(values.extraSize, DIRECTORY)).slice());
  await reader.readExactly(values.commentSize, DIRECTORY);
  if (extra === undefined) {
    throw damaged(`${quote(decodeUtf8(rawName))} has damaged fields in ${DIRECTORY}`);
  }
  const name = decodeZipName(rawName, {
    isUtf8: (values.flags & FLAG.utf8) !== 0,
    unicodePath: extra.get(EXTRA.unicodePath),
    host: values.versionMadeBy >> 8,
  });
  const entry = new ZipEntry({ access, shift, name, values, extra });
  if (entry.type === S_IFLNK) await entry.readTarget();
  return entry;
}

export class ZipEntry implements ReadEntry {
  readonly path: string;
  readonly type: number;
  readonly permissions: number;
  readonly size: number;
  readonly uid = undefined;
  readonly gid = undefined;
  readonly mtime: Timespec;
  readonly atime = undefined;
  target = '';
  readonly linkTo = undefined;
  readonly rdev = 0;
  readonly xattrs: ReadonlyMap<string, Uint8Array> = new Map();
  /** Where its header is, in bytes from the archive's start. */
  readonly offset: number;
  readonly compressedSize: number;
  readonly #access: RandomAccess;
  readonly #values: CentralValues;

  constructor(from: {
    readonly access: RandomAccess;
    readonly shift: number;
    readonly name: string;
    readonly values: CentralValues;
    readonly extra: ReadonlyMap<number, Uint8Array>;
  }) {
    const { name, values, extra } = from;
    this.#access = from.access;
    this.#values = values;
    this.path = parseEntryPath(name);
    const mode = modeOf(name, values);
    this.type = mode & S_IFMT;
    this.permissions = mode & S_PERMISSIONS;
    this.mtime = timestampIn(extra) ?? fromDosTime(values);
    const numbers = new Zip64Numbers(extra.get(EXTRA.zip64), this.path);
    this.size = numbers.of(values.size);
    this.compressedSize = numbers.of(values.compressedSize);
    this.offset = numbers.of(values.offset) + from.shift;
  }

  /** Errors: ArchiveError for a symlink that leads nowhere. */
  async readTarget(): Promise<void> {
    if (this.size === 0 || this.size >= PATH_MAX) {
      throw damaged(`${quote(this.path)} is a symbolic link to nothing that could be a path`);
    }
    const bytes = new Uint8Array(this.size);
    for await (const piece of this.content()) bytes.set(piece.bytes, piece.offset);
    this.target = decodeUtf8(bytes);
  }

  async *content(): AsyncGenerator<Piece> {
    const what = quote(this.path);
    const { crc: expected } = this.#values;
    let offset = 0;
    let crc = 0;
    for await (const bytes of this.#decoded(await this.#stored())) {
      if (offset + bytes.length > this.size) throw damaged(`${what} is longer than it should be`);
      crc = crc32(bytes, crc);
      yield { offset, bytes };
      offset += bytes.length;
    }
    if (offset < this.size) throw damaged(`${what} is cut off: ${offset} bytes of ${this.size}`);
    if (crc !== expected) throw damaged(`${what} is damaged: its checksum is wrong`);
  }

  #decoded(stored: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
    return this.#values.method === METHOD.stored ? stored : inflateRaw(stored, quote(this.path));
  }

  /** What is in the archive. Errors: ArchiveError if it can't be read. */
  async #stored(): Promise<AsyncGenerator<Uint8Array>> {
    const what = quote(this.path);
    const { flags, method } = this.#values;
    if ((flags & FLAG.encrypted) !== 0) throw new ArchiveError('EINVAL', `${what} is encrypted`);
    if ((method !== METHOD.stored && method !== METHOD.deflated) || (flags & FLAG.patched) !== 0) {
      throw new ArchiveError('EINVAL', `${what} is compressed in a way other than deflate`);
    }
    const header = localHeader.decode(await this.#access.read(this.offset, localHeader.size));
    if (header?.values.signature !== SIGNATURE.local)
      throw damaged(`${what} is not where it should be`);
    const { nameSize, extraSize } = header.values;
    const start = this.offset + localHeader.size + nameSize + extraSize;
    const end = start + this.compressedSize;
    if (end > this.#access.size) throw damaged(`the archive ends in ${what}`);
    return rangeOf(this.#access, start, end);
  }
}

function modeOf(name: string, values: CentralValues): number {
  const { versionMadeBy, externalAttributes } = values;
  const host = versionMadeBy >> 8;
  const isDirectory = name.endsWith('/') || (externalAttributes & DOS_DIRECTORY) !== 0;
  const mode = externalAttributes >>> 16;
  if ((host === HOST.unix || host === HOST.darwin) && mode !== 0) {
    const type = mode & S_IFMT;
    if (type === S_IFLNK || type === S_IFDIR || type === S_IFREG) return mode;
    return (isDirectory ? S_IFDIR : S_IFREG) | (mode & S_PERMISSIONS);
  }
  if (isDirectory) return S_IFDIR | PERMISSIONS.directory;
  const isReadOnly = (externalAttributes & DOS_READ_ONLY) !== 0;
  return S_IFREG | (isReadOnly ? PERMISSIONS.readOnly : PERMISSIONS.file);
}

function timestampIn(extra: ReadonlyMap<number, Uint8Array>): Timespec | undefined {
  const values = timestamp.decode(extra.get(EXTRA.timestamp) ?? new Uint8Array())?.values;
  if (values === undefined || (values.flags & TIMESTAMP_MTIME) === 0) return undefined;
  return { sec: values.mtime | 0, nsec: 0 };
}

/** The numbers too large for their fields, in the order of the fields. */
class Zip64Numbers {
  readonly #field: Uint8Array | undefined;
  readonly #path: string;
  #at = 0;

  constructor(field: Uint8Array | undefined, path: string) {
    this.#field = field;
    this.#path = path;
  }

  /** Errors: ArchiveError if the number should be there and isn't. */
  of(value: number): number {
    const field = this.#field;
    if (value !== MAX_32 || field === undefined) return value;
    const bytes = field.slice(this.#at, this.#at + 8);
    const number = bytes.length === 8 ? new DataView(bytes.buffer).getBigUint64(0, true) : -1n;
    this.#at += 8;
    if (number < 0n || number > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw damaged(`${quote(this.#path)} has damaged sizes in ${DIRECTORY}`);
    }
    return Number(number);
  }
}
