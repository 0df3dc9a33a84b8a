// Reading a tar archive: ustar, pax, and GNU's formats, entry by entry.

import {
  makeDev,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_PERMISSIONS,
} from '../abi/stat.ts';
import type { Timespec } from '../lib/clock.ts';
import { damaged, quote } from './archive-error.ts';
import type { ByteReader } from './byte-reader.ts';
import { parseEntryPath, type Piece, type ReadEntry } from './entry.ts';
import { Content } from './tar-content.ts';
import { decodeRecords, PAX_SIZE_MAX, type PaxRecords, parseTime, xattrOf } from './pax-records.ts';
import {
  BLOCK_SIZE,
  decodeHeader,
  decodeName,
  isZeroBlock,
  type TarHeader,
  TYPEFLAG,
  untilNul,
} from './tar-header.ts';

const TYPE_OF: ReadonlyMap<string, number> = new Map([
  [TYPEFLAG.symlink, S_IFLNK],
  [TYPEFLAG.characterDevice, S_IFCHR],
  [TYPEFLAG.blockDevice, S_IFBLK],
  [TYPEFLAG.directory, S_IFDIR],
  [TYPEFLAG.gnuDumpDirectory, S_IFDIR],
  [TYPEFLAG.fifo, S_IFIFO],
]);

/** Ids are 32 bits; the largest stands for none. */
const ID_LIMIT = 0xffff_ffff;

/**
 * The entries of an archive, in order. At its end the stream has been read to its own.
 *
 * Errors: ArchiveError for what is damaged or cut off, and at which entry; those of the stream.
 */
export async function* readTar(reader: ByteReader): AsyncGenerator<ReadEntry> {
  const extensions = new Extensions(reader);
  let place = 'the first header';
  for (;;) {
    const block = await reader.read(BLOCK_SIZE);
    if (block.length === 0) throw damaged(`the archive is cut off: it ends before ${place}`);
    if (block.length < BLOCK_SIZE) throw damaged(`the archive ends in ${place}`);
    if (isZeroBlock(block)) break;
    const header = decodeHeader(block, place);
    if (await extensions.take(header)) continue;
    const entry = new TarEntry({ block, header, records: extensions.forNext(), reader });
    yield entry;
    await entry.skip();
    place = `the header behind ${quote(entry.path)}`;
  }
  await reader.drain();
}

/** What comes before an entry and belongs to it. */
class Extensions {
  readonly #reader: ByteReader;
  #global: PaxRecords = new Map();
  #next: PaxRecords = new Map();

  constructor(reader: ByteReader) {
    this.#reader = reader;
  }

  /** True if the header is no entry's. */
  async take(header: TarHeader): Promise<boolean> {
    switch (header.typeflag) {
      case TYPEFLAG.extended:
      case TYPEFLAG.solarisExtended:
        this.#next = new Map([...this.#next, ...(await this.#records(header))]);
        return true;
      case TYPEFLAG.global:
        this.#global = new Map([...this.#global, ...(await this.#records(header))]);
        return true;
      case TYPEFLAG.gnuLongName:
        this.#next.set('path', untilNul(await this.#body(header)));
        return true;
      case TYPEFLAG.gnuLongLink:
        this.#next.set('linkpath', untilNul(await this.#body(header)));
        return true;
      case TYPEFLAG.gnuVolume:
        await this.#body(header);
        return true;
      default:
        return false;
    }
  }

  async #records(header: TarHeader): Promise<PaxRecords> {
    return decodeRecords(await this.#body(header), quote(header.name));
  }

  async #body({ name, size }: TarHeader): Promise<Uint8Array> {
    if (size > PAX_SIZE_MAX) throw damaged(`the extended header ${quote(name)} is too large`);
    const padded = Math.ceil(size / BLOCK_SIZE) * BLOCK_SIZE;
    const bytes = await this.#reader.readExactly(padded, `the extended header ${quote(name)}`);
    return bytes.slice(0, size);
  }

  /** The records of the entry at hand. An empty value takes one back. */
  forNext(): PaxRecords {
    const records = new Map([...this.#global, ...this.#next]);
    this.#next = new Map();
    return new Map([...records].filter(([key, value]) => value.length > 0 || isXattr(key)));
  }
}

function isXattr(keyword: string): boolean {
  return xattrOf(keyword) !== undefined;
}

class TarEntry implements ReadEntry {
  readonly path: string;
  readonly type: number;
  readonly permissions: number;
  readonly size: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timespec;
  readonly atime: Timespec | undefined;
  readonly target: string;
  readonly linkTo: string | undefined;
  readonly rdev: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  readonly #records: PaxRecords;
  readonly #content: Content;

  constructor(from: {
    readonly block: Uint8Array;
    readonly header: TarHeader;
    readonly records: PaxRecords;
    readonly reader: ByteReader;
  }) {
    const { block, header, records, reader } = from;
    this.#records = records;
    const sparseName = this.#text('GNU.sparse.name');
    const name = sparseName ?? this.#text('path') ?? header.name;
    this.path = parseEntryPath(name);
    const { typeflag } = header;
    if (typeflag === TYPEFLAG.gnuContinued) {
      throw damaged(`${quote(name)} goes on from another volume of the archive`);
    }
    // Before there were directories' own headers, a slash said it.
    const isOldDirectory = name.endsWith('/') && ['0', '\0'].includes(typeflag);
    const isLink = typeflag === TYPEFLAG.link;
    this.type = isOldDirectory ? S_IFDIR : (TYPE_OF.get(typeflag) ?? S_IFREG);
    this.permissions = header.mode & S_PERMISSIONS;
    this.uid = this.#id('uid') ?? checkedId(header.uid, name);
    this.gid = this.#id('gid') ?? checkedId(header.gid, name);
    this.mtime = this.#time('mtime') ?? { sec: header.mtime, nsec: 0 };
    this.atime = this.#time('atime');
    const linkname = this.#text('linkpath') ?? header.linkname;
    this.linkTo = isLink ? parseEntryPath(linkname) : undefined;
    this.target = this.type === S_IFLNK ? linkname : '';
    this.rdev = makeDev(header.devmajor, header.devminor);
    this.xattrs = xattrsIn(records);
    // Some write the size of the file that a link is a name of, without its data.
    const stored = isLink ? 0 : (this.#number('size') ?? header.size);
    this.#content = new Content(reader, {
      block,
      typeflag,
      records,
      stored,
      what: quote(this.path),
    });
    this.size = this.#content.size;
  }

  content(): AsyncGenerator<Piece> {
    return this.#content.pieces();
  }

  /** Reads what hasn't been. */
  skip(): Promise<void> {
    return this.#content.skip();
  }

  #text(keyword: string): string | undefined {
    const value = this.#records.get(keyword);
    return value === undefined ? undefined : decodeName(value);
  }

  #number(keyword: string): number | undefined {
    const text = this.#text(keyword);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) this.#fail(keyword);
    return value;
  }

  #id(keyword: string): number | undefined {
    const id = this.#number(keyword);
    return id === undefined ? undefined : checkedId(id, this.path);
  }

  #time(keyword: string): Timespec | undefined {
    const text = this.#text(keyword);
    return text === undefined ? undefined : (parseTime(text) ?? this.#fail(keyword));
  }

  #fail(keyword: string): never {
    throw damaged(`${quote(this.path)} has a damaged extended header: its ${keyword}`);
  }
}

function checkedId(id: number, name: string): number {
  if (id < 0 || id >= ID_LIMIT) throw damaged(`${quote(name)} has no valid owner: ${id}`);
  return id;
}

function xattrsIn(records: PaxRecords): ReadonlyMap<string, Uint8Array> {
  const xattrs = new Map<string, Uint8Array>();
  for (const [keyword, value] of records) {
    const name = xattrOf(keyword);
    if (name !== undefined) xattrs.set(name, value);
  }
  return xattrs;
}
