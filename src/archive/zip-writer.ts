// ZipWriter: entries as a zip archive that can be written to a stream: what is known only at the
// end of an entry, its checksum and its sizes, comes behind it.

import { S_IFDIR, S_IFLNK, S_IFREG } from '../abi/stat.ts';
import { encodeUtf8 } from '../lib/text.ts';
import { ArchiveError, quote } from './archive-error.ts';
import type { ByteSink } from './byte-sink.ts';
import { deflateRaw } from './compression.ts';
import { crc32 } from './crc32.ts';
import { toDosTime } from './dos-time.ts';
import type { TreeEntry } from './entry.ts';
import {
  centralHeader,
  descriptor,
  descriptor64,
  DOS_DIRECTORY,
  endRecord,
  endRecord64,
  EXTRA,
  extraHeader,
  FLAG,
  HOST,
  localHeader,
  locator64,
  MAX_16,
  MAX_32,
  METHOD,
  SIGNATURE,
  timestamp,
  TIMESTAMP_MTIME,
  VERSION,
} from './zip-records.ts';

/** Deflate makes what can't be compressed larger, by less than this share of it. */
const GROWTH_MAX = 1 / 1024;

/** An entry's lines of the directory are collected in pieces of this size. */
const DIRECTORY_PIECE_SIZE = 1 << 16;

interface Written {
  readonly crc: number;
  readonly compressedSize: number;
  readonly size: number;
}

const NOTHING: Written = { crc: 0, compressedSize: 0, size: 0 };

export class ZipWriter {
  readonly #sink: ByteSink;
  readonly #directory = new Directory();
  #entries = 0;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** False for what zip has no entry for: the root, FIFOs, devices and sockets. */
  async write(entry: TreeEntry): Promise<boolean> {
    const { type } = entry;
    if (entry.path === '' || ![S_IFREG, S_IFDIR, S_IFLNK].includes(type)) return false;
    const name = encodeUtf8(type === S_IFDIR ? `${entry.path}/` : entry.path);
    if (name.length > MAX_16) {
      throw new ArchiveError('ENAMETOOLONG', `${quote(entry.path)} is too long a name for zip`);
    }
    const offset = this.#sink.offset;
    const isStreamed = type === S_IFREG && entry.size > 0;
    const is64 = isStreamed && entry.size * (1 + GROWTH_MAX) >= MAX_32;
    const target = encodeUtf8(entry.target);
    const known = isStreamed ? NOTHING : { ...sizesOf(target), crc: crc32(target) };
    const common = {
      versionNeeded: is64 ? VERSION.zip64 : VERSION.plain,
      flags: FLAG.utf8 | (isStreamed ? FLAG.descriptor : 0),
      method: isStreamed ? METHOD.deflated : METHOD.stored,
      ...toDosTime(entry.mtime ?? { sec: 0, nsec: 0 }),
      nameSize: name.length,
    };
    const extra = [...timestampOf(entry), ...(is64 ? zip64Extra([0, 0]) : [])];
    const sizes = is64 ? { compressedSize: MAX_32, size: MAX_32 } : known;
    await this.#sink.write(
      localHeader.encode({
        signature: SIGNATURE.local,
        ...common,
        crc: known.crc,
        compressedSize: sizes.compressedSize,
        size: sizes.size,
        extraSize: extra.length,
      }),
    );
    for (const part of [name, Uint8Array.from(extra), target]) await this.#sink.write(part);
    const written = isStreamed ? await this.#writeContent(entry, is64) : known;
    this.#directory.add(centralRecord(entry, { common, name, offset, written }));
    this.#entries++;
    return true;
  }

  async #writeContent(entry: TreeEntry, is64: boolean): Promise<Written> {
    const counted = new Counted(entry.content());
    const start = this.#sink.offset;
    for await (const bytes of deflateRaw(counted.pieces())) await this.#sink.write(bytes);
    const { crc, size } = counted;
    const written = { crc, size, compressedSize: this.#sink.offset - start };
    const record = is64 ? descriptor64 : descriptor;
    await this.#sink.write(record.encode({ signature: SIGNATURE.descriptor, ...written }));
    return written;
  }

  async finish(): Promise<void> {
    const centralOffset = this.#sink.offset;
    for (const piece of this.#directory.pieces()) await this.#sink.write(piece);
    const endOffset = this.#sink.offset;
    const centralSize = endOffset - centralOffset;
    const entries = this.#entries;
    if (entries >= MAX_16 || Math.max(centralSize, centralOffset) >= MAX_32) {
      const versions = { versionMadeBy: VERSION.zip64, versionNeeded: VERSION.zip64 };
      const where = { diskEntries: entries, entries, centralSize, centralOffset };
      const recordSize = endRecord64.size - 12;
      const disks = { disk: 0, centralDisk: 0 };
      await this.#sink.write(
        endRecord64.encode({
          signature: SIGNATURE.end64,
          recordSize,
          ...versions,
          ...disks,
          ...where,
        }),
      );
      const locator = { signature: SIGNATURE.locator64, endDisk: 0, endOffset, disks: 1 };
      await this.#sink.write(locator64.encode(locator));
    }
    await this.#sink.write(
      endRecord.encode({
        signature: SIGNATURE.end,
        disk: 0,
        centralDisk: 0,
        diskEntries: Math.min(entries, MAX_16),
        entries: Math.min(entries, MAX_16),
        centralSize: Math.min(centralSize, MAX_32),
        centralOffset: Math.min(centralOffset, MAX_32),
        commentSize: 0,
      }),
    );
  }
}

function sizesOf({ length }: Uint8Array): { compressedSize: number; size: number } {
  return { compressedSize: length, size: length };
}

function centralRecord(
  entry: TreeEntry,
  from: {
    readonly common: {
      readonly versionNeeded: number;
      readonly flags: number;
      readonly method: number;
      readonly time: number;
      readonly date: number;
      readonly nameSize: number;
    };
    readonly name: Uint8Array;
    readonly offset: number;
    readonly written: Written;
  },
): Uint8Array[] {
  const { size, compressedSize, crc } = from.written;
  // In this order, and only those that don't fit.
  const large = [size, compressedSize, from.offset].filter((value) => value >= MAX_32);
  const zip64 = large.length > 0 ? zip64Extra(large) : [];
  const extra = [...timestampOf(entry), ...zip64];
  const mode = entry.type | entry.permissions;
  const header = centralHeader.encode({
    signature: SIGNATURE.central,
    versionMadeBy: (HOST.unix << 8) | VERSION.zip64,
    ...from.common,
    crc,
    compressedSize: Math.min(compressedSize, MAX_32),
    size: Math.min(size, MAX_32),
    extraSize: extra.length,
    commentSize: 0,
    disk: 0,
    internalAttributes: 0,
    externalAttributes: ((mode << 16) | (entry.type === S_IFDIR ? DOS_DIRECTORY : 0)) >>> 0,
    offset: Math.min(from.offset, MAX_32),
  });
  return [header, from.name, Uint8Array.from(extra)];
}

/** None for a time that doesn't fit: the one of MS-DOS has to do. */
function timestampOf({ mtime }: TreeEntry): number[] {
  if (mtime === undefined || mtime.sec !== (mtime.sec | 0)) return [];
  const field = timestamp.encode({ flags: TIMESTAMP_MTIME, mtime: mtime.sec >>> 0 });
  return [...extraHeader.encode({ id: EXTRA.timestamp, size: field.length }, field)];
}

function zip64Extra(values: readonly number[]): number[] {
  const field = new Uint8Array(values.length * 8);
  const view = new DataView(field.buffer);
  for (const [index, value] of values.entries()) {
    view.setBigUint64(index * 8, BigInt(value), true);
  }
  return [...extraHeader.encode({ id: EXTRA.zip64, size: field.length }, field)];
}

/** Content on its way to be compressed. */
class Counted {
  readonly #content: AsyncGenerator<Uint8Array>;
  size = 0;
  crc = 0;

  constructor(content: AsyncGenerator<Uint8Array>) {
    this.#content = content;
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    for await (const bytes of this.#content) {
      this.crc = crc32(bytes, this.crc);
      this.size += bytes.length;
      yield bytes;
    }
  }
}

/** The archive's own directory, which is its end: some hundred bytes an entry. */
class Directory {
  readonly #full: Uint8Array[] = [];
  #piece = new Uint8Array(DIRECTORY_PIECE_SIZE);
  #filled = 0;

  add(parts: readonly Uint8Array[]): void {
    for (const part of parts) this.#put(part);
  }

  #put(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      const part = rest.subarray(0, DIRECTORY_PIECE_SIZE - this.#filled);
      this.#piece.set(part, this.#filled);
      this.#filled += part.length;
      rest = rest.subarray(part.length);
      if (this.#filled < DIRECTORY_PIECE_SIZE) continue;
      this.#full.push(this.#piece);
      this.#piece = new Uint8Array(DIRECTORY_PIECE_SIZE);
      this.#filled = 0;
    }
  }

  pieces(): Uint8Array[] {
    return [...this.#full, this.#piece.subarray(0, this.#filled)];
  }
}
