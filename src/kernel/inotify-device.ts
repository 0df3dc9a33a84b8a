// /dev/inotify: an inotify instance for programs that can open, read and write files but make no
// other system calls, as interpreters under WASI. Opening it makes a new instance. Each line
// written to it is a command; events are read from it as from any instance (struct inotify_event).
//
//   ADD mask path     watches a path; the mask is a number (0x100 or 256) or IN_ names with |
//   RM wd             ends a watch
//
// The answer to ADD is the watch descriptor, which counts from 1 for each path that is new.

import { linuxerr } from '../abi/errno.ts';
import * as inotify from '../abi/inotify.ts';
import type { Stat } from '../abi/stat.ts';
import type { Op, Wait } from '../lib/op.ts';
import { decodeUtf8 } from '../lib/text.ts';
import { FileDescription } from '../vfs/file-description.ts';
import type { InotifyInstance } from '../vfs/inotify.ts';
import type { TaskFileAlias } from '../vfs/path-description.ts';

const NEWLINE = 0x0a;

export class InotifyDevice extends FileDescription {
  readonly #instance: InotifyInstance;
  readonly #addWatch: (path: string, mask: number) => Op<number>;

  /** Takes over the reference on the instance. */
  constructor(
    alias: TaskFileAlias,
    instance: InotifyInstance,
    addWatch: (path: string, mask: number) => Op<number>,
  ) {
    super(alias.vd, alias.openFlags, { isSpecial: true });
    this.#instance = instance;
    this.#addWatch = addWatch;
  }

  override get isSeekable(): boolean {
    return false;
  }

  override *stat(): Op<Stat> {
    return yield* this.vd.mount.filesystem.statDentry(this.vd.dentry);
  }

  protected override setStatImpl(): Op<number> {
    throw linuxerr.EPERM;
  }

  protected override readImpl(buffer: Uint8Array): Op<number> {
    return this.#instance.read(buffer);
  }

  /**
   * Whole lines: what follows the last newline counts as one, too. Errors: EINVAL for what is no
   * command; those of inotify_add_watch(2) and inotify_rm_watch(2). Commands before it are done.
   */
  protected override *writeImpl(bytes: Uint8Array): Op<number> {
    let start = 0;
    while (start < bytes.length) {
      const newline = bytes.indexOf(NEWLINE, start);
      const end = newline < 0 ? bytes.length : newline;
      try {
        yield* this.#run(decodeUtf8(bytes.subarray(start, end)));
      } catch (error) {
        if (start > 0) return start;
        throw error;
      }
      start = end + 1;
    }
    return bytes.length;
  }

  *#run(line: string): Op<void> {
    const [, add, path] = /^ADD (\S+) (.+)$/s.exec(line) ?? [];
    if (add !== undefined && path !== undefined) {
      yield* this.#addWatch(path, parseMask(add));
      return;
    }
    const [, wd] = /^RM (\d+)$/.exec(line) ?? [];
    if (wd === undefined) throw linuxerr.EINVAL;
    this.#instance.removeWatch(Number(wd));
  }

  override *readableBytes(): Op<number> {
    return yield* this.#instance.readableBytes();
  }

  override readiness(events: number): number {
    return this.#instance.readiness(events);
  }

  override get readinessChanged(): Wait {
    return this.#instance.readinessChanged;
  }

  protected override releaseImpl(): void {
    this.#instance.decRef();
  }
}

/** Errors: EINVAL. */
function parseMask(text: string): number {
  let mask = 0;
  for (const word of text.split('|')) {
    const named = (inotify as Readonly<Record<string, number>>)[word];
    const value = word.startsWith('IN_')
      ? named
      : /^(0x)?[\da-f]+$/i.test(word)
        ? Number(word)
        : NaN;
    if (value === undefined || !Number.isSafeInteger(value)) throw linuxerr.EINVAL;
    mask |= value;
  }
  return mask;
}
