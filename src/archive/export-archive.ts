// exportArchive: a tree, as an archive written to a stream.

import type { Syscalls } from '../syscalls/table.ts';
import { ByteSink } from './byte-sink.ts';
import type { TreeEntry } from './entry.ts';
import type { ExportOptions } from './options.ts';
import { TarWriter } from './tar-writer.ts';
import { TreeReader } from './tree-reader.ts';
import { ZipWriter } from './zip-writer.ts';

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
    sink.abort(error);
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
