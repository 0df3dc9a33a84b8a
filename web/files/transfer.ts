// Files from the user's machine into the filesystem, and back.

import type { FileSystem } from '../../src/index.ts';
import { joinPath } from '../shell/paths.ts';
import { make } from '../ui/dom.ts';

export type TransferFileSystem = Pick<FileSystem, 'lstat' | 'mkdir' | 'open' | 'stat' | 'unlink'>;

/** A file or a directory to be written, by its path below the directory it goes to. */
export type Incoming =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string; readonly file: File };

export interface TransferProgress {
  readonly name: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** Bytes read at once when a file is downloaded. */
const CHUNK_SIZE = 1 << 20;

/**
 * What was dropped, directories with all they hold. The transfer is read before the first await:
 * afterwards the browser has emptied it.
 */
export async function readDropped(transfer: DataTransfer): Promise<Incoming[]> {
  const items = [...transfer.items]
    .filter((item) => item.kind === 'file')
    // A file that doesn't come from a disk, as from another page, has no entry.
    .map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  const found: Incoming[] = [];
  for (const { entry, file } of items) {
    if (entry !== null) await readEntry(entry, found);
    else if (file !== null) found.push({ kind: 'file', path: file.name, file });
  }
  return found;
}

async function readEntry(entry: FileSystemEntry, found: Incoming[]): Promise<void> {
  const path = entry.fullPath.replace(/^\/+/, '');
  if (isFileEntry(entry)) {
    const file = await new Promise<File>((resolve, reject) => {
      entry.file(resolve, reject);
    });
    found.push({ kind: 'file', path, file });
    return;
  }
  if (!isDirectoryEntry(entry)) return;
  found.push({ kind: 'directory', path });
  const reader = entry.createReader();
  for (;;) {
    // A reader gives at most some hundred entries at a time, and none at the end.
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (batch.length === 0) return;
    for (const child of batch) await readEntry(child, found);
  }
}

function isFileEntry(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isDirectoryEntry(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

/** Files of an `<input type="file">`, as something to be written. */
export function readChosen(files: Iterable<File>): Incoming[] {
  return Array.from(files, (file) => ({ kind: 'file', path: file.name, file }));
}

/** The files among `incoming` that exist already in `directory`. */
export async function findExisting(
  incoming: readonly Incoming[],
  directory: string,
  fs: TransferFileSystem,
): Promise<string[]> {
  const existing: string[] = [];
  for (const { kind, path } of incoming) {
    if (kind === 'directory') continue;
    const stats = await fs.lstat(joinPath(directory, path)).catch(() => null);
    if (stats !== null) existing.push(path);
  }
  return existing;
}

/**
 * Writes `incoming` below `directory`, piece by piece. When it fails or `signal` aborts, the file
 * under way is removed and what was written before it stays.
 */
export async function writeIncoming(
  incoming: readonly Incoming[],
  directory: string,
  fs: TransferFileSystem,
  options: { readonly signal: AbortSignal; onProgress(progress: TransferProgress): void },
): Promise<void> {
  const totalBytes = incoming.reduce((sum, each) => sum + sizeOf(each), 0);
  let doneBytes = 0;
  for (const each of incoming) {
    options.signal.throwIfAborted();
    const path = joinPath(directory, each.path);
    if (each.kind === 'directory') {
      await fs.mkdir(path, { recursive: true });
      continue;
    }
    await writeFile(path, each.file, fs, (size) => {
      options.signal.throwIfAborted();
      doneBytes += size;
      options.onProgress({ name: each.path, doneBytes, totalBytes });
    });
  }
}

function sizeOf(incoming: Incoming): number {
  return incoming.kind === 'file' ? incoming.file.size : 0;
}

async function writeFile(
  path: string,
  file: File,
  fs: TransferFileSystem,
  onWritten: (size: number) => void,
): Promise<void> {
  const handle = await fs.open(path, 'w');
  try {
    onWritten(0);
    for await (const chunk of file.stream()) {
      await writeWhole(handle, chunk);
      onWritten(chunk.byteLength);
    }
  } catch (error) {
    await handle.close();
    await fs.unlink(path);
    throw error;
  }
  await handle.close();
}

/** Writes all of `data` where the handle is; one write may take only a part. */
export async function writeWhole(
  handle: Awaited<ReturnType<FileSystem['open']>>,
  data: Uint8Array,
): Promise<void> {
  let rest = data;
  while (rest.byteLength > 0) {
    const { bytesWritten } = await handle.write(rest);
    rest = rest.subarray(bytesWritten);
  }
}

/** Gives a file of the filesystem to the user's browser to save. */
export async function downloadFile(path: string, fs: TransferFileSystem): Promise<void> {
  // The browser keeps blobs out of the page's memory.
  const parts: Blob[] = [];
  const handle = await fs.open(path, 'r');
  try {
    for (;;) {
      const buffer = new Uint8Array(CHUNK_SIZE);
      const { bytesRead, buffer: filled } = await handle.read(buffer, 0, CHUNK_SIZE, null);
      if (bytesRead === 0) break;
      parts.push(new Blob([filled.slice(0, bytesRead)]));
    }
  } finally {
    await handle.close();
  }
  const url = URL.createObjectURL(new Blob(parts, { type: 'application/octet-stream' }));
  const link = make('a', {
    attributes: { href: url, download: path.slice(path.lastIndexOf('/') + 1) },
  });
  link.click();
  // The browser has taken the address by the time this runs; keeping it would keep the bytes.
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 60_000);
}
