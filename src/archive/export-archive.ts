// exportArchive: a tree, as an archive written to a stream.

import type { Syscalls } from '../syscalls/table.ts';
import { ByteSink } from './byte-sink.ts';
import type { ArchiveFormat, TreeEntry } from './entry.ts';
import { TarWriter } from './tar-writer.ts';
import { TreeReader } from './tree-reader.ts';
import { ZipWriter } from './zip-writer.ts';

export interface Progress {
  /** Entries that are done. */
  readonly entries: number;
  /** Bytes of the archive written, or read, so far. */
  readonly bytes: number;
  /** Bytes of the archive in all, if that is known. */
  readonly total?: number;
  /** Of the entry at hand, in the archive. */
  readonly path: string;
}

export interface ExportOptions {
  readonly format: ArchiveFormat;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * Writes what is at `path` to `target`, and closes it; aborts it if that fails. `sys` is of a task
 * that is root and that nobody else uses.
 *
 * Errors: those of the path; ArchiveError for a failure at an entry; the signal's reason; those of
 * `target`.
 */
export async function exportArchive(
  sys: Syscalls,
  path: string,
  target: WritableStream<Uint8Array>,
  options: ExportOptions,
): Promise<void> {
  const { format, signal, onProgress } = options;
  signal?.throwIfAborted();
  const sink = new ByteSink(target, signal);
  const writer = format === 'tar' ? new TarWriter(sink) : new ZipWriter(sink);
  const tree = new TreeReader(sys, { findsLinks: format === 'tar' });
  let entries = 0;
  try {
    for await (const entry of tree.read(path)) {
      signal?.throwIfAborted();
      const onContent = (): void => onProgress?.({ entries, bytes: sink.offset, path: entry.path });
      if (!(await writer.write(observed(entry, onContent)))) continue;
      entries++;
      onContent();
    }
    await writer.finish();
    await sink.close();
  } catch (error) {
    await sink.abort(error);
    throw error;
  }
}

/** The same entry; `onContent` is called before each part of its content. */
function observed(entry: TreeEntry, onContent: () => void): TreeEntry {
  return {
    ...entry,
    async *content() {
      for await (const bytes of entry.content()) {
        onContent();
        yield bytes;
      }
    },
  };
}
