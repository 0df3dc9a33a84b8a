// Pipe: the bytes between the writers and the readers of a pipe or FIFO. Mirrors gVisor
// pkg/sentry/kernel/pipe; Linux: fs/pipe.c (struct pipe_inode_info), pipe(7).
//
// Room is counted as Linux does, in slots of a page: a small write joins the last slot if all of it
// fits there, anything else begins a new one. So a write of up to PIPE_BUF bytes is never divided.
// What sendfile() brings comes in pages of its file, each in a slot that nothing joins.

import { linuxerr } from '../../abi/errno.ts';
import { O_ACCMODE, O_NONBLOCK, O_RDONLY, O_WRONLY } from '../../abi/fcntl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../abi/poll.ts';
import { type Op, type Wait, WaitQueue } from '../../lib/op.ts';

const SLOT_SIZE = 4096;
const SLOTS_MAX = 16;

interface Slot {
  readonly bytes: Uint8Array;
  start: number;
  end: number;
  /** A page of a file: what is written next begins another slot. */
  readonly isPage: boolean;
  /** Of O_DIRECT: a read takes it whole, and what doesn't fit is lost. */
  readonly isPacket: boolean;
}

/** How an end is used. */
export interface PipeMode {
  readonly isNonBlocking: boolean;
  readonly isPacket: boolean;
}

export class Pipe {
  readonly #slots: Slot[] = [];
  readonly #changed = new WaitQueue();
  #readers = 0;
  #writers = 0;
  /** How often an end has been opened: a waiting open learns that its partner came and left. */
  #readerOpens = 0;
  #writerOpens = 0;

  get changed(): Wait {
    return this.#changed;
  }

  /** What an end that reads must remember: there is no hang-up before there was a writer. */
  get writerOpens(): number {
    return this.#writerOpens;
  }

  get size(): number {
    return this.#slots.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /**
   * Opens an end of a FIFO by O_ flags; waits for a partner. Errors: ENXIO for a writer that may
   * not wait while nobody reads; what interrupts the wait.
   */
  *open(flags: number): Op<void> {
    const mode = flags & O_ACCMODE;
    const mayWait = (flags & O_NONBLOCK) === 0;
    if (mode === O_WRONLY && !mayWait && this.#readers === 0) throw linuxerr.ENXIO;
    this.add(flags);
    if (!mayWait || (mode !== O_RDONLY && mode !== O_WRONLY)) return;
    const seen = { readers: this.#readerOpens, writers: this.#writerOpens };
    try {
      if (mode === O_RDONLY) {
        while (this.#writers === 0 && this.#writerOpens === seen.writers) yield this.#changed;
      } else {
        while (this.#readers === 0 && this.#readerOpens === seen.readers) yield this.#changed;
      }
    } catch (error) {
      this.remove(flags);
      throw error;
    }
  }

  /** Counts an end that is open. */
  add(flags: number): void {
    if (reads(flags)) {
      this.#readers++;
      this.#readerOpens++;
    }
    if (writes(flags)) {
      this.#writers++;
      this.#writerOpens++;
    }
    this.#changed.wakeAll();
  }

  remove(flags: number): void {
    if (reads(flags)) this.#readers--;
    if (writes(flags)) this.#writers--;
    // With the last end what nobody has read is gone.
    if (this.#readers === 0 && this.#writers === 0) this.#slots.length = 0;
    this.#changed.wakeAll();
  }

  /** Errors: EAGAIN if there is nothing and it must not wait. Returns 0 once nobody writes. */
  *read(buffer: Uint8Array, isNonBlocking: () => boolean): Op<number> {
    if (buffer.length === 0) return 0;
    for (;;) {
      const count = this.#take(buffer);
      if (count > 0) return count;
      if (this.#writers === 0) return 0;
      if (isNonBlocking()) throw linuxerr.EAGAIN;
      yield this.#changed;
    }
  }

  #take(buffer: Uint8Array): number {
    let count = 0;
    while (count < buffer.length) {
      const slot = this.#slots[0];
      if (slot === undefined) break;
      const length = Math.min(slot.end - slot.start, buffer.length - count);
      buffer.set(slot.bytes.subarray(slot.start, slot.start + length), count);
      count += length;
      slot.start += length;
      if (slot.start === slot.end || slot.isPacket) this.#slots.shift();
      if (slot.isPacket) break;
    }
    if (count > 0) this.#changed.wakeAll();
    return count;
  }

  /**
   * Errors: EPIPE if nobody reads; EAGAIN if nothing fits and it must not wait; what interrupts the
   * wait. What was written before an error counts.
   */
  *write(bytes: Uint8Array, mode: () => PipeMode): Op<number> {
    if (bytes.length === 0) return 0;
    let done = this.#join(bytes, mode().isPacket);
    while (done < bytes.length) {
      try {
        yield* this.waitForRoom(() => mode().isNonBlocking);
      } catch (error) {
        if (done > 0) return done;
        throw error;
      }
      const piece = bytes.subarray(done, done + SLOT_SIZE);
      this.#put(piece, { isPage: false, isPacket: mode().isPacket });
      done += piece.length;
    }
    return done;
  }

  /**
   * Waits for room, and returns how many bytes the free slots hold. Errors: EPIPE if nobody reads;
   * EAGAIN if nothing fits and it must not wait; what interrupts the wait.
   *
   * Linux: fs/splice.c wait_for_space().
   */
  *waitForRoom(isNonBlocking: () => boolean): Op<number> {
    for (;;) {
      if (this.#readers === 0) throw linuxerr.EPIPE;
      if (this.#slots.length < SLOTS_MAX) return this.#room;
      if (isNonBlocking()) throw linuxerr.EAGAIN;
      yield this.#changed;
    }
  }

  /**
   * Takes what fits of `bytes`, which were at `offset` of a file, page by page, and returns how
   * many: none if nobody reads.
   *
   * Linux: mm/filemap.c filemap_splice_read(), splice_folio_into_pipe().
   */
  splice(bytes: Uint8Array, offset: number): number {
    if (this.#readers === 0) return 0;
    // Asked for is as much as the free slots would hold if each were filled.
    const wanted = Math.min(bytes.length, this.#room);
    let done = 0;
    while (done < wanted && this.#slots.length < SLOTS_MAX) {
      const toPageEnd = SLOT_SIZE - ((offset + done) % SLOT_SIZE);
      const piece = bytes.subarray(done, Math.min(done + toPageEnd, wanted));
      this.#put(piece, { isPage: true, isPacket: false });
      done += piece.length;
    }
    return done;
  }

  get #room(): number {
    return (SLOTS_MAX - this.#slots.length) * SLOT_SIZE;
  }

  /** What of a write goes into the last slot: what is left over of whole slots, or nothing. */
  #join(bytes: Uint8Array, isPacket: boolean): number {
    const length = bytes.length % SLOT_SIZE;
    const last = this.#slots.at(-1);
    if (this.#readers === 0 || last === undefined || length === 0) return 0;
    if (last.isPage || last.isPacket || isPacket || last.end + length > SLOT_SIZE) return 0;
    last.bytes.set(bytes.subarray(0, length), last.end);
    last.end += length;
    this.#changed.wakeAll();
    return length;
  }

  #put(piece: Uint8Array, kind: Pick<Slot, 'isPage' | 'isPacket'>): void {
    const bytes = new Uint8Array(SLOT_SIZE);
    bytes.set(piece);
    this.#slots.push({ bytes, start: 0, end: piece.length, ...kind });
    this.#changed.wakeAll();
  }

  /** Linux: pipe_poll(). `seenWriterOpens`: writerOpens when the end was opened. */
  readiness(flags: number, seenWriterOpens: number): number {
    let ready = 0;
    if (reads(flags)) {
      if (this.#slots.length > 0) ready |= POLLIN | POLLRDNORM;
      if (this.#writers === 0 && this.#writerOpens !== seenWriterOpens) ready |= POLLHUP;
    }
    if (writes(flags)) {
      if (this.#slots.length < SLOTS_MAX) ready |= POLLOUT | POLLWRNORM;
      if (this.#readers === 0) ready |= POLLERR;
    }
    return ready;
  }
}

function reads(flags: number): boolean {
  return (flags & O_ACCMODE) !== O_WRONLY;
}

function writes(flags: number): boolean {
  return (flags & O_ACCMODE) !== O_RDONLY;
}
