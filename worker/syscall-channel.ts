// The channel over which a process worker makes system calls: one piece of shared memory, one call
// at a time.
//
// The client writes a request, sets the state and sleeps in Atomics.wait; the kernel waits with
// Atomics.waitAsync, so that it never blocks, and answers in the same memory. What a call reads is
// put there by the filesystem itself. The memory grows with the largest call.

import { LinuxError, linuxerr } from '../src/abi/errno.ts';
import { type Interruption, type Op, resumeAsync, type Wait } from '../src/lib/op.ts';
import {
  decodeRequest,
  decodeResponse,
  encodeFailure,
  encodeRequest,
  encodeSuccess,
  type Frame,
  SYSCALL_NAMES,
} from '../src/syscalls/codec.ts';
import type { SyscallName, Syscalls } from '../src/syscalls/table.ts';

/**
 * Of the state word. The kernel waits while it isn't REQUEST, the client while it isn't RESPONSE.
 */
const IDLE = 0;
const REQUEST = 1;
const RESPONSE = 2;

const STATE_AT = 0;
const FRAME_AT = 16;
const SIZE_INITIAL = 128 << 10;
/** A larger read or write is done in part. */
const SIZE_MAX = 64 << 20;
/** What a request takes besides the bytes it carries. */
const OVERHEAD = 64 << 10;

export function makeChannel(): SharedArrayBuffer {
  return new SharedArrayBuffer(SIZE_INITIAL, { maxByteLength: SIZE_MAX + OVERHEAD });
}

/**
 * The memory behind the state word. The views have a fixed length and are made anew when the memory
 * has grown: those that follow its growth are several times slower in Chromium.
 */
class SharedFrame implements Frame {
  readonly #memory: SharedArrayBuffer;
  bytes: Uint8Array;
  view: DataView;

  constructor(memory: SharedArrayBuffer) {
    this.#memory = memory;
    this.bytes = new Uint8Array(memory, FRAME_AT, memory.byteLength - FRAME_AT);
    this.view = new DataView(memory, FRAME_AT, this.bytes.length);
  }

  reserve(size: number): void {
    if (size <= this.bytes.length) return;
    const memory = this.#memory;
    const wanted = FRAME_AT + size;
    if (wanted > memory.maxByteLength) throw linuxerr.ENOMEM;
    if (wanted > memory.byteLength) {
      memory.grow(Math.min(memory.maxByteLength, Math.max(wanted, memory.byteLength * 2)));
    }
    this.refresh();
  }

  /** The other side may have made the memory grow. */
  refresh(): void {
    const size = this.#memory.byteLength - FRAME_AT;
    if (size === this.bytes.length) return;
    this.bytes = new Uint8Array(this.#memory, FRAME_AT, size);
    this.view = new DataView(this.#memory, FRAME_AT, size);
  }
}

/** The process worker's end. Every call blocks the thread until the kernel has answered. */
export class ChannelClient {
  readonly #state: Int32Array;
  readonly #frame: SharedFrame;
  readonly sys: Syscalls;

  constructor(memory: SharedArrayBuffer) {
    this.#state = new Int32Array(memory, STATE_AT, 1);
    this.#frame = new SharedFrame(memory);
    const calls: Record<string, (...args: unknown[]) => Op<unknown>> = {};
    for (const name of SYSCALL_NAMES) calls[name] = (...args) => this.#op(name, args);
    this.sys = calls as unknown as Syscalls;
  }

  *#op(name: SyscallName, args: unknown[]): Op<unknown> {
    const fitted = args.map((arg) =>
      arg instanceof Uint8Array && arg.length > SIZE_MAX ? arg.subarray(0, SIZE_MAX) : arg,
    );
    encodeRequest(this.#frame, name, fitted);
    Atomics.store(this.#state, 0, REQUEST);
    Atomics.notify(this.#state, 0);
    while (Atomics.load(this.#state, 0) === REQUEST) Atomics.wait(this.#state, 0, REQUEST);
    this.#frame.refresh();
    return decodeResponse(this.#frame, name, fitted);
  }
}

/** The kernel's end. */
export class ChannelServer {
  readonly #state: Int32Array;
  readonly #frame: SharedFrame;
  readonly #sys: Syscalls;
  readonly #interruption: Interruption;
  readonly #onPanic: (error: unknown) => void;
  #isStopped = false;

  /**
   * `interruption` ends calls that wait. `onPanic` is told of errors that are not a call's failure.
   */
  constructor(
    memory: SharedArrayBuffer,
    options: {
      readonly sys: Syscalls;
      readonly interruption: Interruption;
      readonly onPanic: (error: unknown) => void;
    },
  ) {
    this.#state = new Int32Array(memory, STATE_AT, 1);
    this.#frame = new SharedFrame(memory);
    this.#sys = options.sys;
    this.#interruption = options.interruption;
    this.#onPanic = options.onPanic;
    this.#listen(IDLE);
  }

  /** The process worker is gone: no more calls. */
  stop(): void {
    this.#isStopped = true;
    Atomics.notify(this.#state, 0);
  }

  /** Waits for the state to leave `from`, which it had when this end last set it. */
  #listen(from: number): void {
    const result = Atomics.waitAsync(this.#state, 0, from);
    if (result.async) {
      void result.value.then(() => {
        this.#handle();
      });
    } else {
      queueMicrotask(() => {
        this.#handle();
      });
    }
  }

  #handle(): void {
    if (this.#isStopped) return;
    // Loaded once: a request that comes in between must not be taken for the state to wait in.
    const state = Atomics.load(this.#state, 0);
    if (state !== REQUEST) {
      this.#listen(state);
      return;
    }
    this.#frame.refresh();
    const { name, args } = decodeRequest(this.#frame);
    const call = this.#sys[name] as (...args: unknown[]) => Op<unknown>;
    try {
      const op = call.apply(this.#sys, args);
      const first = op.next();
      if (first.done === true) this.#succeed(name, first.value);
      else this.#finishLater(name, op, first.value);
    } catch (error) {
      this.#fail(error);
    }
  }

  #finishLater(name: SyscallName, op: Op<unknown>, wait: Wait): void {
    resumeAsync(op, wait, this.#interruption).then(
      (result) => {
        this.#succeed(name, result);
      },
      (error: unknown) => {
        this.#fail(error);
      },
    );
  }

  #succeed(name: SyscallName, result: unknown): void {
    try {
      encodeSuccess(this.#frame, name, result);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#respond();
  }

  #fail(error: unknown): void {
    if (error instanceof LinuxError) {
      encodeFailure(this.#frame, error);
      this.#respond();
      return;
    }
    this.#onPanic(error);
  }

  #respond(): void {
    if (this.#isStopped) return;
    Atomics.store(this.#state, 0, RESPONSE);
    Atomics.notify(this.#state, 0);
    this.#listen(RESPONSE);
  }
}
