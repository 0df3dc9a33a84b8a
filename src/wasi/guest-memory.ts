// GuestMemory: a wasm program's memory, with every access checked. Pointers arrive as signed 32-bit
// integers.

import { linuxerr } from '../abi/errno.ts';
import { decodeUtf8Strict } from '../lib/text.ts';

const EMPTY = new Uint8Array(0);

export class GuestMemory {
  #memory: WebAssembly.Memory | undefined;
  #bytes: Uint8Array = EMPTY;
  #view = new DataView(new ArrayBuffer(0));

  /** The program's memory is known only once it has been instantiated. */
  attach(memory: WebAssembly.Memory): void {
    this.#memory = memory;
    this.#refresh();
  }

  /** A memory that grows gets a new buffer. */
  #refresh(): void {
    const buffer = this.#memory?.buffer;
    if (buffer === undefined || buffer === this.#bytes.buffer) return;
    this.#bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
  }

  /** Errors: EFAULT if the range doesn't lie within the memory. Returns the pointer as an index. */
  #check(pointer: number, length: number): number {
    const start = pointer >>> 0;
    if (this.#bytes.buffer !== this.#memory?.buffer) this.#refresh();
    if (start + length > this.#bytes.length) throw linuxerr.EFAULT;
    return start;
  }

  /** A window onto the memory. Errors: EFAULT. */
  bytesAt(pointer: number, length: number): Uint8Array {
    const size = length >>> 0;
    const start = this.#check(pointer, size);
    return this.#bytes.subarray(start, start + size);
  }

  /** Text that must be UTF-8. Errors: EFAULT; EILSEQ. */
  textAt(pointer: number, length: number): string {
    const bytes = this.bytesAt(pointer, length);
    try {
      return decodeUtf8Strict(bytes);
    } catch {
      throw linuxerr.EILSEQ;
    }
  }

  u8(pointer: number): number {
    const start = this.#check(pointer, 1);
    return this.#view.getUint8(start);
  }

  u16(pointer: number): number {
    const start = this.#check(pointer, 2);
    return this.#view.getUint16(start, true);
  }

  u32(pointer: number): number {
    const start = this.#check(pointer, 4);
    return this.#view.getUint32(start, true);
  }

  u64(pointer: number): bigint {
    const start = this.#check(pointer, 8);
    return this.#view.getBigUint64(start, true);
  }

  setU8(pointer: number, value: number): void {
    const start = this.#check(pointer, 1);
    this.#view.setUint8(start, value);
  }

  setU16(pointer: number, value: number): void {
    const start = this.#check(pointer, 2);
    this.#view.setUint16(start, value, true);
  }

  setU32(pointer: number, value: number): void {
    const start = this.#check(pointer, 4);
    this.#view.setUint32(start, value, true);
  }

  setU64(pointer: number, value: bigint): void {
    const start = this.#check(pointer, 8);
    this.#view.setBigUint64(start, value, true);
  }

  /** A non-negative safe integer as 64 bits. */
  setSize(pointer: number, value: number): void {
    const start = this.#check(pointer, 8);
    this.#view.setUint32(start, value >>> 0, true);
    this.#view.setUint32(start + 4, Math.floor(value / 2 ** 32), true);
  }

  /** Errors: EFAULT. */
  checkReadable(pointer: number, length: number): void {
    this.#check(pointer, length);
  }

  /** Checks that a result can be stored before anything is done. Errors: EFAULT. */
  checkWritable(pointer: number, length: number): void {
    this.#check(pointer, length);
  }
}
