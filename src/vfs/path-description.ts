// Descriptions that stand for a place in the tree: of O_PATH, and of the nodes in /dev/fd.

import { linuxerr } from '../abi/errno.ts';
import type { Stat } from '../abi/stat.ts';
import type { Op } from '../lib/op.ts';
import type { VirtualDentry } from './dentry.ts';
import { FileDescription } from './file-description.ts';

/** What O_PATH gives: a place in the tree, with which nothing can be done to the file itself. */
export class PathDescription extends FileDescription {
  override get isPathOnly(): boolean {
    return true;
  }

  override *stat(): Op<Stat> {
    return yield* this.vd.mount.filesystem.statDentry(this.vd.dentry);
  }

  override read(_buffer: Uint8Array): Op<number> {
    throw linuxerr.EBADF;
  }

  override write(_bytes: Uint8Array): Op<number> {
    throw linuxerr.EBADF;
  }

  /** Watches learn nothing of it. */
  override notify(): void {
    // Linux: FMODE_NONOTIFY.
  }

  protected override setStatImpl(): Op<number> {
    throw linuxerr.EBADF;
  }
}

export type TaskFile = number | 'terminal' | 'inotify';

/**
 * What opening /dev/fd/N, /dev/tty or /dev/inotify gives: something of the task that opens it. The
 * kernel, which knows the task, replaces it before anyone gets hold of it.
 */
export class TaskFileAlias extends PathDescription {
  /** A descriptor of the task, its terminal, or a new inotify instance. */
  readonly meaning: TaskFile;
  /** O_ flags it was opened with, all of them: they are meant for what it stands for. */
  readonly openFlags: number;

  constructor(vd: VirtualDentry, flags: number, meaning: TaskFile) {
    super(vd, flags, { isSpecial: true });
    this.meaning = meaning;
    this.openFlags = flags;
  }
}
