// What a kernel offers for whole stores: check, repair, images. Part of the public API.

export interface CheckProgress {
  /** Bytes of the store that have been read, and bytes there are, about. */
  readonly bytes: number;
  readonly total: number;
  /** Files and directories that have been looked at: that comes after. */
  readonly inodes: number;
}

export interface CheckOptions {
  /** Ends it: check() rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: CheckProgress) => void) | undefined;
}

export interface CheckResult {
  /** One sentence for each thing that is wrong; none if all is well. */
  readonly problems: readonly string[];
  /** Files of all types but directories. */
  readonly files: number;
  readonly directories: number;
  /** Of the store, in bytes: what is in use, and what was and can be used again. */
  readonly usedBytes: number;
  readonly freeBytes: number;
}

export interface RepairOptions {
  /** Only say what would be done. Default: false. */
  readonly dryRun?: boolean | undefined;
  /**
   * Give up data that is damaged: it reads as zeros, where otherwise reading it goes on failing
   * with EIO. Default: false.
   */
  readonly discardDamaged?: boolean | undefined;
}

export interface RepairResult {
  /** What was wrong and what was done about it, a sentence each. */
  readonly repairs: readonly string[];
  /** What a check finds afterwards. */
  readonly problems: readonly string[];
  readonly dryRun: boolean;
}

export interface ImageProgress {
  /** Bytes of the image that have been written or read, before compression. */
  readonly bytes: number;
}

export interface ExportImageOptions {
  /** Compress it. Default: false. */
  readonly gzip?: boolean | undefined;
  /** Ends it: the stream fails with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ImageProgress) => void) | undefined;
}

export interface ImportImageOptions {
  /** Also if there are files: they go. Default: false. */
  readonly overwrite?: boolean | undefined;
  /** Ends it: importImage() rejects with the signal's reason, and nothing has changed. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ImageProgress) => void) | undefined;
}

export interface ImageSummary {
  /** What the image says: the filesystem's source, and when it was made, in ms since 1970. */
  readonly source: string;
  readonly exportedAt: number;
  /** Items and bytes of data. */
  readonly items: number;
  readonly dataBytes: number;
}

/** What a Kernel does with whole filesystems of type idbfs. */
export interface Stores {
  /**
   * Reads all that the filesystem mounted at a path keeps, after a commit, and says what is wrong.
   * It is of one moment, while the filesystem goes on being used; what that gives up meanwhile
   * takes space until the check has ended. Snapshots are read as well. Nothing is changed, but that
   * of two copies the one that is damaged is put right from the other.
   *
   * Rejects with an FsError: the path's; EOPNOTSUPP for a filesystem that keeps nothing; EIO if the
   * browser can't read its storage. With a KernelError 'locked' if another tab holds the store, or
   * did when it was mounted.
   */
  check(path: string, options?: CheckOptions): Promise<CheckResult>;

  /**
   * Mends the filesystem of a source that is not mounted, in one commit: what has lost its name
   * goes to /lost+found, counts are corrected, names that lead nowhere are removed. Data that is
   * damaged stays so. Nothing but what it tells of is given up.
   *
   * Snapshots and clones stay as they are. Where what leads to them or to the files is damaged, so
   * that a repair could keep only one tree, it is refused with a KernelError 'damaged', which says
   * what to do.
   *
   * Rejects with FsError EBUSY if it is mounted here; KernelError 'locked' if it is elsewhere, and
   * others of opening it.
   */
  repair(source: string, options?: RepairOptions): Promise<RepairResult>;

  /**
   * All that the filesystem mounted at a path keeps, without its snapshots, of the moment at
   * which the stream is first read, as an image: importImage() makes the same of it. The stream
   * fails with an FsError: the path's; EOPNOTSUPP for a filesystem that keeps nothing; EIO at what
   * is damaged. With a KernelError 'locked' as check() does.
   */
  exportImage(path: string, options?: ExportImageOptions): ReadableStream<Uint8Array>;

  /**
   * Makes the filesystem of a source, which is not mounted, what an image says. Until all of it is
   * there and whole, nothing has changed, whatever happens.
   *
   * Rejects with an FsError: ENOTEMPTY if there are files; EBUSY if it is mounted here or has
   * snapshots; EINVAL if
   * the image is damaged, cut off or none; ENOSPC; with KernelError 'locked' if it is mounted
   * elsewhere, and others of opening it; or with what the stream failed with.
   */
  importImage(
    source: string,
    image: ReadableStream<Uint8Array> | Blob | Uint8Array,
    options?: ImportImageOptions,
  ): Promise<ImageSummary>;
}
