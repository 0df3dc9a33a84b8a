// CrashFile: a file behind a synchronous access handle whose writes last only once they are
// flushed. It can fail at any of its operations, and crash: what was not flushed then may be there,
// be gone, or be there in part, each write for itself.

import type { AccessHandle } from '../../src/store/engine/opfs-device.ts';

/** A write of the disk is whole; several are not. */
const SECTOR_SIZE = 512;

interface PendingWrite {
  readonly at: number;
  readonly bytes: Uint8Array;
}

export class CrashFile implements AccessHandle {
  /** What lasts. */
  #durable: Uint8Array;
  /** What a reader sees. */
  #current: Uint8Array;
  #pending: PendingWrite[] = [];
  /** How many more operations succeed. */
  operationsLeft = Infinity;
  /** What the next one fails with. */
  failure: Error = new DOMException('the disk failed', 'UnknownError');

  constructor(content: Uint8Array = new Uint8Array()) {
    this.#durable = content;
    this.#current = content.slice();
  }

  #operate(): void {
    if (this.operationsLeft-- <= 0) throw this.failure;
  }

  read(buffer: Uint8Array, { at }: { at: number }): number {
    const found = this.#current.subarray(at, at + buffer.length);
    buffer.set(found);
    return found.length;
  }

  write(buffer: Uint8Array, { at }: { at: number }): number {
    this.#operate();
    const bytes = buffer.slice();
    this.#pending.push({ at, bytes });
    this.#current = written(this.#current, at, bytes);
    return bytes.length;
  }

  flush(): void {
    this.#operate();
    for (const { at, bytes } of this.#pending) this.#durable = written(this.#durable, at, bytes);
    this.#pending = [];
  }

  getSize(): number {
    return this.#current.length;
  }

  truncate(size: number): void {
    this.#operate();
    if (size > this.#current.length) {
      this.#current = written(this.#current, size, new Uint8Array());
      return;
    }
    // Lasts at once, as what comes later may not: the worse case.
    this.#durable = this.#durable.slice(0, size);
    this.#current = this.#current.slice(0, size);
    this.#pending = this.#pending.filter(({ at, bytes }) => at + bytes.length <= size);
  }

  close(): void {
    // Closing flushes nothing.
  }

  /** Another file with the same in it. */
  copy(): CrashFile {
    return new CrashFile(this.#current.slice());
  }

  /** The file after a crash. `random` gives a number in [0, 1). */
  crash(random: () => number): CrashFile {
    let content = this.#durable;
    for (const { at, bytes } of this.#pending) {
      for (let sector = 0; sector < bytes.length; sector += SECTOR_SIZE) {
        // Half of the writes as a whole, the others sector by sector.
        const isLost = random() < 0.5;
        const end = random() < 0.5 ? bytes.length : sector + SECTOR_SIZE;
        if (!isLost) content = written(content, at + sector, bytes.subarray(sector, end));
        if (end === bytes.length) break;
      }
    }
    return new CrashFile(content.slice());
  }
}

function written(content: Uint8Array, at: number, bytes: Uint8Array): Uint8Array {
  const end = at + bytes.length;
  let target = content;
  if (end > content.length) {
    target = new Uint8Array(end);
    target.set(content);
  }
  target.set(bytes, at);
  return target;
}
