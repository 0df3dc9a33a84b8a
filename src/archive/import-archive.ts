// importArchive: unpacks an archive that comes as a stream or can be read at any place.
//
// A zip archive's directory is at its end: one that comes as a stream is first put into a file
// without a name, beneath the directory it goes to.

import { AT_FDCWD, O_DIRECTORY, O_PATH, O_RDWR, O_TMPFILE } from '../abi/fcntl.ts';
import { runAsync } from '../lib/op.ts';
import type { Syscalls } from '../syscalls/table.ts';
import { damaged } from './archive-error.ts';
import { ByteReader, type RandomAccess, streamOf } from './byte-reader.ts';
import { gunzip } from './compression.ts';
import type { ReadEntry } from './entry.ts';
import type { ArchiveFormat, ArchiveSummary, ImportOptions } from './options.ts';
import { BLOCK_SIZE, hasMagic, isHeader, isZeroBlock } from './tar-header.ts';
import { readTar } from './tar-reader.ts';
import { TreeWriter } from './tree-writer.ts';
import { readZip } from './zip-reader.ts';

/**
 * Unpacks `source` into the directory at `path`. After a failure what was unpacked stays, but for
 * the file under way. `sys` is of a task that nobody else uses.
 *
 * Errors: those of the path; ArchiveError for what is wrong with the archive or fails at an entry;
 * the signal's reason; those of the source.
 */
export async function importArchive(
  sys: Syscalls,
  path: string,
  source: ReadableStream<Uint8Array> | Blob,
  options: ImportOptions,
): Promise<ArchiveSummary> {
  options.signal?.throwIfAborted();
  const root = await runAsync(sys.openat(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0));
  try {
    const blob = source instanceof Blob ? blobAccess(source) : undefined;
    const stream = source instanceof Blob ? source.stream() : source;
    const reader = new ByteReader(stream, options.signal);
    try {
      const job = new Import(sys, root, { ...options, total: blob?.size });
      const summary = await job.run(reader, blob);
      await reader.close();
      return summary;
    } catch (error) {
      await reader.close(error);
      throw error;
    }
  } finally {
    await runAsync(sys.close(root));
  }
}

function blobAccess(blob: Blob): RandomAccess {
  return {
    size: blob.size,
    read: async (offset, length) =>
      new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

class Import {
  readonly #sys: Syscalls;
  readonly #root: number;
  readonly #options: ImportOptions & { readonly total: number | undefined };
  #entries = 0;

  constructor(
    sys: Syscalls,
    root: number,
    options: ImportOptions & { readonly total: number | undefined },
  ) {
    this.#sys = sys;
    this.#root = root;
    this.#options = options;
  }

  async run(reader: ByteReader, access: RandomAccess | undefined): Promise<ArchiveSummary> {
    const kind = await recognise(reader, this.#options.format);
    if (kind === 'zip') return await this.#runZip(reader, access);
    if (kind === 'tar') await this.#runTar(reader, reader);
    else {
      const packed = gunzip(reader.rest(), "the archive's gzip data");
      const inner = new ByteReader(streamOf(packed), this.#options.signal);
      try {
        const within = await recognise(inner, 'tar');
        if (within !== 'tar') throw damaged('the archive is compressed with gzip twice');
        await this.#runTar(inner, reader);
      } finally {
        await inner.close();
      }
    }
    return { format: 'tar', entries: this.#entries, bytes: reader.taken };
  }

  /** `outer` is what counts: the archive as it is, compressed or not. */
  async #runTar(reader: ByteReader, outer: ByteReader): Promise<void> {
    await this.#unpack(readTar(reader), () => outer.taken);
  }

  async #runZip(reader: ByteReader, access: RandomAccess | undefined): Promise<ArchiveSummary> {
    const { total } = this.#options;
    if (access !== undefined) {
      let bytes = 0;
      const counting: RandomAccess = {
        size: access.size,
        read: async (offset, length) => {
          const read = await access.read(offset, length);
          // The directory is read first, and is behind the entries.
          bytes = Math.min(bytes + read.length, access.size);
          return read;
        },
      };
      await this.#unpack(readZip(counting), () => bytes);
      return { format: 'zip', entries: this.#entries, bytes: total ?? access.size };
    }
    const fd = await this.#spool(reader);
    try {
      await this.#unpack(readZip(fileAccess(this.#sys, fd, reader.taken)), () => reader.taken);
      return { format: 'zip', entries: this.#entries, bytes: reader.taken };
    } finally {
      await runAsync(this.#sys.close(fd));
    }
  }

  /** The rest of a stream, in a file without a name. */
  async #spool(reader: ByteReader): Promise<number> {
    const sys = this.#sys;
    await runAsync(sys.fchdir(this.#root));
    const fd = await runAsync(sys.openat(AT_FDCWD, '.', O_TMPFILE | O_RDWR, 0o600));
    try {
      let offset = 0;
      for await (const bytes of reader.rest()) {
        let rest = bytes;
        while (rest.length > 0) {
          const count = await runAsync(sys.pwrite(fd, rest, offset));
          offset += count;
          rest = rest.subarray(count);
        }
        this.#report('', reader.taken);
      }
      return fd;
    } catch (error) {
      await runAsync(sys.close(fd));
      throw error;
    }
  }

  async #unpack(archive: AsyncGenerator<ReadEntry>, countBytes: () => number): Promise<void> {
    const { preserveOwner = true, signal } = this.#options;
    let path = '';
    const onWritten = (): void => {
      signal?.throwIfAborted();
      this.#report(path, countBytes());
    };
    const tree = new TreeWriter(this.#sys, this.#root, { preserveOwner, onWritten });
    try {
      for await (const entry of archive) {
        signal?.throwIfAborted();
        path = entry.path;
        await tree.write(entry);
        this.#entries++;
        this.#report(path, countBytes());
      }
      await tree.finish();
    } catch (error) {
      await tree.abandon();
      throw error;
    }
  }

  #report(path: string, bytes: number): void {
    const { total, onProgress } = this.#options;
    const all = total === undefined ? {} : { total };
    onProgress?.({ entries: this.#entries, bytes, path, ...all });
  }
}

function fileAccess(sys: Syscalls, fd: number, size: number): RandomAccess {
  return {
    size,
    read: async (offset, length) => {
      const buffer = new Uint8Array(length);
      return buffer.subarray(0, await runAsync(sys.pread(fd, buffer, offset)));
    },
  };
}

/**
 * What comes. Errors: ArchiveError if it is none of what can be read, or not what it was said to
 * be. A zip archive may begin with anything, and is taken at the caller's word.
 */
async function recognise(
  reader: ByteReader,
  format: ArchiveFormat | undefined,
): Promise<'tar' | 'zip' | 'gzip'> {
  if (format === 'zip') return 'zip';
  const head = await reader.peek(BLOCK_SIZE);
  if (startsWith(head, GZIP_MAGIC)) return 'gzip';
  const isZip = ZIP_MAGICS.some((magic) => startsWith(head, magic));
  if (isZip && format === undefined) return 'zip';
  if (isHeader(head) || hasMagic(head)) return 'tar';
  // An archive of nothing.
  if (head.length === BLOCK_SIZE && isZeroBlock(head)) return 'tar';
  if (head.length === 0) throw damaged('the archive is empty');
  throw damaged(
    format === undefined ? 'this is neither a tar nor a zip archive' : 'this is no tar archive',
  );
}

const GZIP_MAGIC = [0x1f, 0x8b];
/** Of an entry; of an archive without entries. */
const ZIP_MAGICS = [
  [0x50, 0x4b, 3, 4],
  [0x50, 0x4b, 5, 6],
];

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}
