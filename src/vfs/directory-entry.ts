// What a listing of a directory gives. Linux: struct linux_dirent64, fs/readdir.c.

/** One directory entry. */
export interface DirectoryEntry {
  readonly name: string;
  readonly ino: number;
  /** DT_ constant. */
  readonly type: number;
  /** Position after this entry: where a listing that stops here goes on. */
  readonly cookie: number;
}

/** Takes an entry; false if it has no room for it, which ends the listing before the entry. */
export type DirectoryEntrySink = (entry: DirectoryEntry) => boolean;
