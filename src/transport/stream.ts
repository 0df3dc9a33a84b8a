// A transport over a stream of bytes, such as a connection of TCP: each message begins with its
// size, four bytes, little-endian, which count, too. 9P: intro(5).
//
// A stream has no close codes: the other end sees that it ends. Node's Socket is a ByteStream.

import { linuxerr } from '../abi/errno.ts';
import { assert } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import { type Wait, WaitQueue } from '../lib/op.ts';
import { Inbox } from './inbox.ts';
import {
  assertMayClose,
  CLOSE_ABNORMAL,
  CLOSE_NORMAL,
  CLOSE_TOO_LARGE,
  type Receiver,
  type Transport,
} from './transport.ts';

/** What Node's duplex streams have. */
export interface ByteStream {
  /** Bytes that were written and are not on their way yet. */
  readonly writableLength: number;
  write(bytes: Uint8Array, onSent?: () => void): boolean;
  /** Calls back when all that was written is on its way. */
  end(onFinish: () => void): unknown;
  destroy(): unknown;
  /** No more 'data' until resume(): the other end has to wait. */
  pause(): unknown;
  resume(): unknown;
  on(event: 'data', listener: (bytes: Uint8Array) => void): unknown;
  on(event: 'drain' | 'end' | 'error' | 'close', listener: () => void): unknown;
}

export interface StreamOptions {
  readonly clock: Clock;
  readonly protocol: string;
  readonly messageSizeMax: number;
}

const SIZE_BYTES = 4;
/** Room that a message gets at first, whatever size it claims. */
const BUFFER_SIZE = 1024;
/** How long the other end may take for what was sent last. */
const CLOSE_WAIT_MS = 2000;

/** Puts messages together. Has no more memory than what has come, or twice that. */
class Assembler {
  readonly #sizeMax: number;
  #buffer = new Uint8Array(BUFFER_SIZE);
  #length = 0;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  /** Calls `onMessage` with each that is whole. False if what comes is none. */
  take(bytes: Uint8Array, onMessage: (message: Uint8Array) => void): boolean {
    let rest = bytes;
    while (rest.length > 0) {
      const size = this.#size;
      const wanted = (size ?? SIZE_BYTES) - this.#length;
      const part = rest.subarray(0, wanted);
      this.#append(part, size ?? SIZE_BYTES);
      rest = rest.subarray(part.length);
      const known = this.#size;
      if (known === undefined) continue;
      if (known < SIZE_BYTES || known > this.#sizeMax) return false;
      if (this.#length < known) continue;
      onMessage(this.#buffer.slice(0, known));
      this.#length = 0;
      if (this.#buffer.length > BUFFER_SIZE) this.#buffer = new Uint8Array(BUFFER_SIZE);
    }
    return true;
  }

  /** Undefined until it has come. */
  get #size(): number | undefined {
    if (this.#length < SIZE_BYTES) return undefined;
    return new DataView(this.#buffer.buffer).getUint32(0, true);
  }

  #append(part: Uint8Array, size: number): void {
    const length = this.#length + part.length;
    assert(length <= size, 'a message is longer than its size');
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.min(size, Math.max(length, 2 * this.#buffer.length)));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(part, this.#length);
    this.#length = length;
  }
}

export class StreamTransport implements Transport {
  readonly protocol: string;
  readonly messageSizeMax: number;
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  readonly #inbox = new Inbox();
  readonly #drained = new WaitQueue();
  readonly #assembler: Assembler;
  #hasEnded = false;

  constructor(stream: ByteStream, { clock, protocol, messageSizeMax }: StreamOptions) {
    this.protocol = protocol;
    this.messageSizeMax = messageSizeMax;
    this.#stream = stream;
    this.#clock = clock;
    this.#assembler = new Assembler(messageSizeMax);
    this.#listen(stream);
  }

  #listen(stream: ByteStream): void {
    stream.on('data', (bytes) => {
      this.#onData(bytes);
    });
    stream.on('drain', () => {
      this.#drained.wakeAll();
    });
    stream.on('end', () => {
      this.#hasEnded = true;
    });
    // 'close' follows, and tells.
    stream.on('error', () => undefined);
    stream.on('close', () => {
      const code = this.#hasEnded ? CLOSE_NORMAL : CLOSE_ABNORMAL;
      const reason = this.#hasEnded ? '' : 'the link broke';
      this.#inbox.close({ code, reason, isLocal: false });
      this.#drained.wakeAll();
    });
  }

  #onData(bytes: Uint8Array): void {
    if (!this.isOpen) return;
    const isSound = this.#assembler.take(bytes, (message) => {
      this.#inbox.deliver(message);
    });
    if (!isSound) this.close(CLOSE_TOO_LARGE, 'a message of a size that there is none of');
  }

  get isOpen(): boolean {
    return !this.#inbox.isClosed;
  }

  get bufferedBytes(): number {
    return this.isOpen ? this.#stream.writableLength : 0;
  }

  get drained(): Wait {
    return this.#drained;
  }

  start(receiver: Receiver): void {
    this.#inbox.start(receiver);
  }

  pause(): void {
    if (!this.isOpen || this.#inbox.isPaused) return;
    this.#inbox.pause();
    this.#stream.pause();
  }

  resume(): void {
    if (!this.#inbox.isPaused) return;
    this.#inbox.resume();
    this.#stream.resume();
  }

  send(message: Uint8Array, onSent?: () => void): void {
    if (message.length > this.messageSizeMax) throw linuxerr.EMSGSIZE;
    if (!this.isOpen) return;
    if (onSent === undefined) this.#stream.write(message.slice());
    else this.#stream.write(message, onSent);
  }

  close(code: number = CLOSE_NORMAL, reason = ''): void {
    assertMayClose(code, reason);
    if (!this.isOpen) return;
    this.#inbox.close({ code, reason, isLocal: true });
    this.#drained.wakeAll();
    const stream = this.#stream;
    const cancel = this.#clock.setTimer(CLOSE_WAIT_MS, () => stream.destroy());
    stream.end(() => {
      cancel();
      stream.destroy();
    });
  }
}
