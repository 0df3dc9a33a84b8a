// Stats and Dirent, as node:fs has them, from what the kernel returns.

import type { Dirent, Stats } from '../src/api.ts';
import {
  DT_BLK,
  DT_CHR,
  DT_DIR,
  DT_FIFO,
  DT_LNK,
  DT_REG,
  DT_SOCK,
  direntType,
  type Stat,
} from '../src/abi/stat.ts';
import { timespecToMs, timespecToNs } from '../src/lib/clock.ts';

/** The questions both answer about a file's type. */
class FileType {
  readonly #type: number;

  constructor(type: number) {
    this.#type = type;
  }

  isFile(): boolean {
    return this.#type === DT_REG;
  }

  isDirectory(): boolean {
    return this.#type === DT_DIR;
  }

  isSymbolicLink(): boolean {
    return this.#type === DT_LNK;
  }

  isFIFO(): boolean {
    return this.#type === DT_FIFO;
  }

  isSocket(): boolean {
    return this.#type === DT_SOCK;
  }

  isCharacterDevice(): boolean {
    return this.#type === DT_CHR;
  }

  isBlockDevice(): boolean {
    return this.#type === DT_BLK;
  }
}

export class StatsOf extends FileType implements Stats {
  readonly dev: number;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly blksize: number;
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly birthtimeMs: number;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly birthtimeNs: bigint;

  constructor(stat: Stat) {
    super(direntType(stat.mode));
    this.dev = stat.dev;
    this.ino = stat.ino;
    this.mode = stat.mode;
    this.nlink = stat.nlink;
    this.uid = stat.uid;
    this.gid = stat.gid;
    this.rdev = stat.rdev;
    this.size = stat.size;
    this.blksize = stat.blksize;
    this.blocks = stat.blocks;
    this.atimeMs = timespecToMs(stat.atime);
    this.mtimeMs = timespecToMs(stat.mtime);
    this.ctimeMs = timespecToMs(stat.ctime);
    this.birthtimeMs = timespecToMs(stat.btime);
    this.atimeNs = timespecToNs(stat.atime);
    this.mtimeNs = timespecToNs(stat.mtime);
    this.ctimeNs = timespecToNs(stat.ctime);
    this.birthtimeNs = timespecToNs(stat.btime);
  }

  get atime(): Date {
    return new Date(this.atimeMs);
  }

  get mtime(): Date {
    return new Date(this.mtimeMs);
  }

  get ctime(): Date {
    return new Date(this.ctimeMs);
  }

  get birthtime(): Date {
    return new Date(this.birthtimeMs);
  }
}

export class DirentOf extends FileType implements Dirent {
  readonly name: string;
  readonly parentPath: string;

  constructor(entry: {
    readonly name: string;
    readonly parentPath: string;
    readonly type: number;
  }) {
    super(entry.type);
    this.name = entry.name;
    this.parentPath = entry.parentPath;
  }
}
