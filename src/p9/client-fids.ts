// ClientFids: the numbers a client gives to files, which of them the server knows, and which file
// each is of. A number is used anew once the server has said that it is free.

import { NOFID, type Qid } from './records.ts';

interface KnownFid {
  /** Requests that are about it, and aren't answered. */
  useCount: number;
  /** The server knows it, in the session there is now. */
  isLive: boolean;
  /** Nobody needs it any more. */
  isDoomed: boolean;
  path: bigint | undefined;
}

export class ClientFids {
  readonly #known = new Map<number, KnownFid>();
  readonly #free: number[] = [];
  #last = 0;
  readonly #onUnused: (fid: number) => void;

  /** `onUnused`: it is doomed, and nothing that is under way is about it. */
  constructor(onUnused: (fid: number) => void) {
    this.#onUnused = onUnused;
  }

  /** A number that nobody uses. 0 is never one, nor NOFID. */
  allocate(): number {
    let fid = this.#free.pop();
    if (fid === undefined) {
      this.#last = (this.#last + 1) % NOFID;
      fid = this.#last;
    }
    this.#known.set(fid, { useCount: 0, isLive: false, isDoomed: false, path: undefined });
    return fid;
  }

  /** Of fids that are there or are to be. */
  get count(): number {
    return this.#known.size;
  }

  isLive(fid: number): boolean {
    return this.#known.get(fid)?.isLive === true;
  }

  /** Which file it is of; undefined if that isn't known. */
  pathOf(fid: number): bigint | undefined {
    return this.#known.get(fid)?.path;
  }

  onMade(fid: number, qid: Qid | undefined): void {
    const known = this.#known.get(fid);
    if (known === undefined) return;
    known.isLive = true;
    known.path = qid?.path;
    if (known.isDoomed && known.useCount === 0) this.#onUnused(fid);
  }

  /** What was to make it has failed. */
  onNotMade(fid: number): void {
    const known = this.#known.get(fid);
    if (known?.isDoomed === true && !known.isLive) this.release(fid);
  }

  use(fids: readonly number[]): void {
    for (const fid of fids) {
      const known = this.#known.get(fid);
      if (known !== undefined) known.useCount++;
    }
  }

  unuse(fids: readonly number[]): void {
    for (const fid of fids) {
      const known = this.#known.get(fid);
      if (known === undefined) continue;
      known.useCount--;
      if (known.isDoomed && known.useCount === 0) this.#onUnused(fid);
    }
  }

  /** It is to be clunked as soon as nothing is about it. */
  doom(fid: number): void {
    const known = this.#known.get(fid);
    if (known === undefined || known.isDoomed) return;
    known.isDoomed = true;
    if (known.useCount === 0) this.#onUnused(fid);
  }

  /** The server has no such fid. */
  onGone(fid: number): void {
    const known = this.#known.get(fid);
    if (known !== undefined) known.isLive = false;
  }

  /** The number may be given to another file. */
  release(fid: number): void {
    if (this.#known.delete(fid)) this.#free.push(fid);
  }

  /** A session has ended, and all fids with it. */
  loseAll(): void {
    for (const known of this.#known.values()) known.isLive = false;
  }
}
