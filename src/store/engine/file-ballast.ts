// Ballast in a file of the origin private file system. One that is made longer takes of the quota
// what it may be filled with, and nothing is written.
//
// What Chromium makes of that (and no other browser minds): it counts files in powers of two, from
// 1 to 128 MiB, and gives back what it counted when the handle is closed, not before. So this is a
// file of its own, and is given up as a whole. And IndexedDB remembers for half a minute how much
// was left: a commit may take what the file has taken since. That doesn't fail, but what is held is
// less by as much, until the file has been made anew.

import type { Clock } from '../../lib/clock.ts';
import { type Op, waitFor } from '../../lib/op.ts';
import type { Ballast } from './ballast.ts';
import { closeFile, countedSize, growFile, resizeFile, sizeOf } from './file-size.ts';
import type { AccessHandle } from './opfs-device.ts';

const MIB = 2 ** 20;
/** The file is made longer by so much more than is asked for: commits take of it. */
const SLACK_BYTES = MIB;
const AHEAD_BYTES_MAX = 32 * MIB;
/** How long it takes until a commit is counted, generously. */
const COUNTED_MS = 100;

export interface FileBallastOptions {
  /** Opens the file. Undefined if it can't be had. */
  readonly open: () => Promise<AccessHandle | undefined>;
  /** Ballast where there is no such file; and what was made before there was one. */
  readonly records: Ballast;
  readonly clock: Clock;
}

export class FileBallast implements Ballast {
  readonly #options: FileBallastOptions;
  /** Null: can't be had. Undefined: not asked for. */
  #handle: AccessHandle | null | undefined;
  /** One handle at a time can be had. */
  #opening: Promise<void> | undefined;
  #isClosed = false;
  #fileBytes = 0;
  /** Of it, what commits may have taken. */
  #usedBytes = 0;
  /** Commits that may not be counted yet. */
  #recent: { readonly endMs: number; readonly bytes: number }[] = [];

  constructor(options: FileBallastOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#options.records.bytes + Math.max(0, this.#fileBytes - this.#usedBytes);
  }

  get countedBytes(): number {
    return this.#options.records.countedBytes + this.#fileBytes;
  }

  committed(bytes: number): void {
    this.#usedBytes += bytes;
    this.#recent.push({ endMs: this.#options.clock.monotonicMs(), bytes });
    this.#forgetCounted();
  }

  #forgetCounted(): void {
    const since = this.#options.clock.monotonicMs() - COUNTED_MS;
    while (this.#recent[0] !== undefined && this.#recent[0].endMs < since) this.#recent.shift();
  }

  *load(): Op<void> {
    yield* this.#options.records.load();
    yield* this.#open();
  }

  *#open(): Op<AccessHandle | null> {
    if (this.#handle !== undefined) return this.#handle;
    yield* waitFor((this.#opening ??= this.#openFile()));
    return this.#handle ?? null;
  }

  async #openFile(): Promise<void> {
    try {
      const handle = await this.#options.open();
      if (this.#isClosed) handle?.close();
      else this.#use(handle);
    } finally {
      this.#opening = undefined;
    }
  }

  #use(handle: AccessHandle | undefined): void {
    this.#handle = handle ?? null;
    this.#fileBytes = handle === undefined ? 0 : sizeOf(handle);
  }

  *grow(bytes: number): Op<void> {
    const { records } = this.#options;
    yield* records.load();
    const handle = yield* this.#open();
    if (this.#isClosed) return;
    if (handle === null) {
      yield* records.grow(bytes);
      return;
    }
    if (records.bytes > 0) yield* records.drop(records.bytes);
    if (this.bytes >= bytes) return;
    const size = countedSize(bytes + SLACK_BYTES);
    if (size > this.#fileBytes && resizeFile(handle, size) === 'done') {
      this.#fileBytes = size;
      this.#counted();
    }
    if (this.bytes < bytes) yield* this.#takeAnew(bytes);
  }

  /** What the file takes was counted with all that there is. */
  #counted(): void {
    this.#forgetCounted();
    this.#usedBytes = this.#recent.reduce((sum, each) => sum + each.bytes, 0);
  }

  *#takeAnew(bytes: number): Op<void> {
    this.#giveUp();
    const handle = yield* this.#open();
    if (handle === null) return;
    this.#counted();
    // Who has written much lately needs that much again, before long.
    const slack = SLACK_BYTES + this.#usedBytes + Math.min(this.#usedBytes, AHEAD_BYTES_MAX);
    this.#fileBytes = growFile(handle, 0, countedSize(bytes + slack)).size;
  }

  *drop(bytes: number): Op<boolean> {
    // Also where the database is gone.
    if (this.#giveUp()) return true;
    yield* this.load();
    return this.#giveUp() || (yield* this.#options.records.drop(bytes));
  }

  /** The file, as a whole. False if there was nothing. Errors: EIO. */
  #giveUp(): boolean {
    const handle = this.#handle;
    if (!handle || this.#fileBytes === 0) return false;
    try {
      resizeFile(handle, 0);
    } finally {
      handle.close();
      this.#handle = undefined;
      this.#fileBytes = 0;
    }
    return true;
  }

  *close(): Op<void> {
    const handle = this.#handle;
    this.#isClosed = true;
    this.#handle = null;
    if (!handle) return;
    closeFile(handle, 0);
  }
}
