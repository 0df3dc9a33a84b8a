// TarWriter: entries as a pax archive. Every entry has an extended header: times of tar's own
// header are whole seconds.

import {
  devMajor,
  devMinor,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
} from '../abi/stat.ts';
import { encodeUtf8 } from '../lib/text.ts';
import { ArchiveError, quote } from './archive-error.ts';
import type { ByteSink } from './byte-sink.ts';
import type { TreeEntry } from './entry.ts';
import {
  encodeRecords,
  encodeTime,
  keywordOf,
  PAX_SIZE_MAX,
  type PaxRecords,
} from './pax-records.ts';
import {
  BLOCK_SIZE,
  encodeHeader,
  ID_MAX,
  NAME_SIZE_MAX,
  SIZE_MAX,
  type TarHeader,
  TYPEFLAG,
} from './tar-header.ts';

const TYPEFLAG_OF: ReadonlyMap<number, string> = new Map([
  [S_IFREG, TYPEFLAG.file],
  [S_IFLNK, TYPEFLAG.symlink],
  [S_IFCHR, TYPEFLAG.characterDevice],
  [S_IFBLK, TYPEFLAG.blockDevice],
  [S_IFDIR, TYPEFLAG.directory],
  [S_IFIFO, TYPEFLAG.fifo],
]);

const END_BLOCKS = 2;

export class TarWriter {
  readonly #sink: ByteSink;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** False for what tar has no entry for: a socket. */
  async write(entry: TreeEntry): Promise<boolean> {
    const typeflag = entry.linkTo === undefined ? TYPEFLAG_OF.get(entry.type) : TYPEFLAG.link;
    if (typeflag === undefined) return false;
    const header = headerOf(entry, typeflag);
    const records = encodeRecords(recordsOf(entry, header));
    if (records.length > PAX_SIZE_MAX) {
      throw new ArchiveError('E2BIG', `${quote(entry.path)} has too many extended attributes`);
    }
    const name = `PaxHeaders/${header.name}`.replace(/\/$/, '');
    const size = records.length;
    await this.#sink.write(
      encodeHeader({ ...header, name, size, typeflag: TYPEFLAG.extended, linkname: '' }),
    );
    await this.#write(records);
    await this.#pad(size);
    await this.#sink.write(encodeHeader(header));
    if (header.size > 0) await this.#writeContent(entry);
    return true;
  }

  async #writeContent(entry: TreeEntry): Promise<void> {
    let written = 0;
    for await (const bytes of entry.content()) {
      await this.#write(bytes);
      written += bytes.length;
    }
    if (written < entry.size) {
      throw new ArchiveError('EIO', `${quote(entry.path)} became shorter while it was read`);
    }
    await this.#pad(written);
  }

  #write(bytes: Uint8Array): Promise<void> {
    return this.#sink.write(bytes);
  }

  async #pad(size: number): Promise<void> {
    const rest = size % BLOCK_SIZE;
    if (rest > 0) await this.#sink.write(new Uint8Array(BLOCK_SIZE - rest));
  }

  async finish(): Promise<void> {
    await this.#sink.write(new Uint8Array(END_BLOCKS * BLOCK_SIZE));
  }
}

function headerOf(entry: TreeEntry, typeflag: string): TarHeader {
  const hasContent = typeflag === TYPEFLAG.file;
  const isDevice = entry.type === S_IFCHR || entry.type === S_IFBLK;
  return {
    name: nameOf(entry),
    mode: entry.permissions,
    uid: entry.uid ?? 0,
    gid: entry.gid ?? 0,
    size: hasContent ? entry.size : 0,
    mtime: entry.mtime?.sec ?? 0,
    typeflag,
    linkname: entry.linkTo ?? entry.target,
    devmajor: isDevice ? devMajor(entry.rdev) : 0,
    devminor: isDevice ? devMinor(entry.rdev) : 0,
  };
}

function nameOf({ path, type }: TreeEntry): string {
  if (path === '') return './';
  return type === S_IFDIR ? `${path}/` : path;
}

/** What the header has no room for. */
function recordsOf(entry: TreeEntry, header: TarHeader): PaxRecords {
  const records: PaxRecords = new Map();
  const put = (keyword: string, text: string): void => {
    records.set(keyword, encodeUtf8(text));
  };
  if (!isShort(header.name)) put('path', header.name);
  if (!isShort(header.linkname)) put('linkpath', header.linkname);
  if (header.size > SIZE_MAX) put('size', String(header.size));
  if (header.uid > ID_MAX) put('uid', String(header.uid));
  if (header.gid > ID_MAX) put('gid', String(header.gid));
  if (entry.mtime !== undefined) put('mtime', encodeTime(entry.mtime));
  if (entry.atime !== undefined) put('atime', encodeTime(entry.atime));
  for (const [name, value] of entry.xattrs) records.set(keywordOf(name), value);
  return records;
}

/** Outside of extended headers a name is short, and ASCII. */
function isShort(name: string): boolean {
  return name.length <= NAME_SIZE_MAX && /^[\x20-\x7e]*$/.test(name);
}
