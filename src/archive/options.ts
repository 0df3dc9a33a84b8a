// What kernel.exportArchive() and importArchive() take and tell. Part of the public API.

export type ArchiveFormat = 'tar' | 'zip';

/** How far an export or an import has come. */
export interface ArchiveProgress {
  /** Entries that are done. */
  readonly entries: number;
  /**
   * Bytes of the archive that have been written or read. One of zip that comes as a stream has been
   * read whole before its first entry.
   */
  readonly bytes: number;
  /** Bytes of the archive in all; only of one that is imported from a Blob or an array. */
  readonly total?: number;
  /** The entry at hand, by its path in the archive: 'dir/file', or '' for the root. */
  readonly path: string;
}

export interface ExportOptions {
  readonly format: ArchiveFormat;
  /** Ends it: the stream fails with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ArchiveProgress) => void) | undefined;
}

export interface ImportOptions {
  /** Default: recognised from the first bytes. A tar archive may be compressed with gzip. */
  readonly format?: ArchiveFormat | undefined;
  /**
   * Give files the owners they have in the archive. If false, or if it names none, as zip, they are
   * root's, and lose set-user-ID and set-group-ID bits. Default: true.
   */
  readonly preserveOwner?: boolean | undefined;
  /** Ends it: importArchive() rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ArchiveProgress) => void) | undefined;
}

export interface ArchiveSummary {
  readonly format: ArchiveFormat;
  /** Entries that were unpacked. */
  readonly entries: number;
  /** Bytes of the archive, compressed if it was. */
  readonly bytes: number;
}

/** What a Kernel does with archives. */
export interface Archives {
  /**
   * A directory with all that is in it, or a file, as an archive. Nothing is read before the stream
   * is. What is mounted beneath is left out, and so are sockets. tar is pax: it keeps links,
   * devices, owners, nanoseconds and extended attributes. zip keeps files, directories, symlinks,
   * modes and seconds; what else there is in the tree is left out.
   *
   * The stream fails with an FsError: the path's, or one whose message names the file at which it
   * happened; EIO for a file that is cut while it is read (tar).
   */
  exportArchive(path: string, options: ExportOptions): ReadableStream<Uint8Array>;
  /**
   * Unpacks an archive into a directory. What is there is replaced, but for directories with
   * something in them. Nothing leads out of the directory: slashes in front of names are dropped,
   * and symlinks not followed. After a failure what has been unpacked stays, but for the file under
   * way.
   *
   * A zip archive that comes as a stream is first put into a file without a name, on the filesystem
   * it is unpacked to, as its directory is at its end: give a Blob if you have one.
   *
   * Rejects with an FsError: the path's; or one whose message says what is wrong, and at which
   * entry: EINVAL if the archive is damaged, cut off or encrypted, or for a name with "..", ELOOP
   * for one through a symlink, ENOTEMPTY for a file in place of such a directory, ENOSPC …; or with
   * what the source failed with.
   */
  importArchive(
    path: string,
    source: ReadableStream<Uint8Array> | Blob | Uint8Array,
    options?: ImportOptions,
  ): Promise<ArchiveSummary>;
}
