// What a message is written into, and read from. Little-endian.
//
// Layouts are tables of fields (wire.ts); here are the bytes only, and the checks that nothing is
// read beyond a message or written beyond the size it was said to have.

import { assert, InvariantError } from './assert.ts';
import { encodeUtf8 } from './text.ts';

/** 2^32. */
const WORD = 0x1_0000_0000;
/** The upper half of Number.MAX_SAFE_INTEGER. */
const HIGH_MAX = 0x1f_ffff;

const WRITER_SIZE = 1024;

/**
 * What came over the wire is not what its table says: the sender is broken, of another version or
 * hostile. It is all that decoding throws; whoever decodes answers it with EIO.
 */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** A buffer that is used for one message after the other, and grows when one doesn't fit. */
export class WireWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView<ArrayBuffer>;
  #at = 0;
  #end = 0;

  constructor(buffer: Uint8Array<ArrayBuffer> = new Uint8Array(WRITER_SIZE)) {
    this.#bytes = buffer;
    this.#view = viewOf(buffer);
  }

  /**
   * Starts a message of `size` bytes, over the one before. The size is known beforehand so that
   * the buffer never grows, and copies, once there is something in it.
   */
  begin(size: number): void {
    if (size > this.#bytes.length) {
      this.#bytes = new Uint8Array(Math.max(size, 2 * this.#bytes.length));
      this.#view = viewOf(this.#bytes);
    }
    this.#at = 0;
    this.#end = size;
  }

  /** The message. It is there until begin() is called again. */
  finish(): Uint8Array<ArrayBuffer> {
    assert(this.#at === this.#end, 'a message has another size than its table said');
    return this.#bytes.subarray(0, this.#end);
  }

  /** What to throw when `value` can't be written: a bug of the caller's. */
  refuse(kind: string, value: unknown): InvariantError {
    return new InvariantError(`${kind} at byte ${this.#at} can't be ${String(value)}`);
  }

  putU8(value: number): void {
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
  }

  putU16(value: number): void {
    this.#view.setUint16(this.#at, value, true);
    this.#at += 2;
  }

  putU32(value: number): void {
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
  }

  putI32(value: number): void {
    this.#view.setInt32(this.#at, value, true);
    this.#at += 4;
  }

  /** A safe integer, negative ones in two's complement. */
  put64(value: number): void {
    const high = Math.floor(value / WORD);
    this.#view.setUint32(this.#at, value - high * WORD, true);
    this.#view.setInt32(this.#at + 4, high, true);
    this.#at += 8;
  }

  putBigU64(value: bigint): void {
    this.#view.setBigUint64(this.#at, value, true);
    this.#at += 8;
  }

  /** Bytes that are where they belong already are not copied. */
  putBytes(bytes: Uint8Array): void {
    const { buffer, byteOffset } = this.#bytes;
    const isInPlace = bytes.buffer === buffer && bytes.byteOffset === byteOffset + this.#at;
    if (isInPlace) assert(this.#at + bytes.length <= this.#bytes.length, 'a message is too long');
    else this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Text that takes `size` bytes as UTF-8. */
  putText(text: string, size: number): void {
    if (size > text.length) {
      this.putBytes(encodeUtf8(text));
      return;
    }
    for (let index = 0; index < size; index++) {
      this.#bytes[this.#at + index] = text.charCodeAt(index);
    }
    this.#at += size;
  }

  putZeros(count: number): void {
    this.#bytes.fill(0, this.#at, this.#at + count);
    this.#at += count;
  }
}

/** Reads the bytes it was given, in order. Errors of all that read: WireError. */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }

  /** Bytes that are still to be read. */
  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  /** What to throw when the message is wrong at this place. */
  refuse(problem: string): WireError {
    return new WireError(`${problem} at byte ${this.#at} of ${this.#bytes.length}`);
  }

  /** To be called before anything is made of `size` bytes. */
  expect(size: number): void {
    if (size > this.remaining) throw this.refuse(`${size} bytes are missing`);
  }

  expectEnd(): void {
    if (this.remaining > 0) throw this.refuse('the message should end');
  }

  getU8(): number {
    this.expect(1);
    const value = this.#view.getUint8(this.#at);
    this.#at += 1;
    return value;
  }

  getU16(): number {
    this.expect(2);
    const value = this.#view.getUint16(this.#at, true);
    this.#at += 2;
    return value;
  }

  getU32(): number {
    this.expect(4);
    const value = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    return value;
  }

  getI32(): number {
    this.expect(4);
    const value = this.#view.getInt32(this.#at, true);
    this.#at += 4;
    return value;
  }

  /** Up to Number.MAX_SAFE_INTEGER. */
  getU64(): number {
    this.expect(8);
    const high = this.#view.getUint32(this.#at + 4, true);
    if (high > HIGH_MAX) throw this.refuse('a number is too large');
    const value = high * WORD + this.#view.getUint32(this.#at, true);
    this.#at += 8;
    return value;
  }

  /** A safe integer. */
  getI64(): number {
    this.expect(8);
    const high = this.#view.getInt32(this.#at + 4, true);
    const value = high * WORD + this.#view.getUint32(this.#at, true);
    if (!Number.isSafeInteger(value)) throw this.refuse('a number is too large');
    this.#at += 8;
    return value;
  }

  getBigU64(): bigint {
    this.expect(8);
    const value = this.#view.getBigUint64(this.#at, true);
    this.#at += 8;
    return value;
  }

  /** A view of the message's own memory: no copy. */
  getBytes(size: number): Uint8Array {
    this.expect(size);
    const bytes = this.#bytes.subarray(this.#at, this.#at + size);
    this.#at += size;
    return bytes;
  }
}

function viewOf<Buffer extends ArrayBufferLike>(bytes: Uint8Array<Buffer>): DataView<Buffer> {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
