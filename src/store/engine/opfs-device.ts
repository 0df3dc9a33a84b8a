// A device on a file of the origin private file system, behind a synchronous access handle: nothing
// here waits.
//
// | bytes              | what                                                      |
// | ------------------ | --------------------------------------------------------- |
// | 0 to 64 KiB        | superblock slot 0                                         |
// | 64 KiB to 128 KiB  | superblock slot 1                                         |
// | from 128 KiB on    | the units, by address                                     |
//
// | slot | u32 magic "BRRW", u32 checksum of what follows, u16 format version, u48 sequence |
// |      | number, u32 size, superblock                                                     |
//
// A commit writes its places, flushes, writes the superblock into the slot that the last one didn't
// use, and flushes again. Of two whole slots the one of the higher number counts.

import { Arena } from '../../lib/arena.ts';
import { LinuxError, linuxerr } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import type { Durability, StoreUsage } from '../store.ts';
import { StoreError } from '../store-error.ts';
import { FORMAT_VERSION, unknownFormat } from '../superblock.ts';
import type { Checksum } from './node-cache.ts';
import { closeFile, countedSize, growFile, isQuotaError, resizeFile, sizeOf } from './file-size.ts';
import { Reader, Writer } from './node.ts';
import { decodeRootBlock } from './root-block.ts';
import {
  type DeviceBatch,
  type PageDevice,
  type Portion,
  UNIT_SIZE,
  unitsOf,
} from './page-device.ts';

const MAGIC = 0x57525242;
const SLOT_SIZE = 64 * 1024;
const UNITS_START = 2 * SLOT_SIZE;
const SLOT_HEADER_SIZE = 20;
/** So much is written at once, in bytes, where it is made of small places. */
const GATHER_SIZE = 256 * 1024;
/** Of the slot: what the checksum doesn't cover. */
const CHECKED_FROM = 8;

/** The part of FileSystemSyncAccessHandle that is used. */
export interface AccessHandle {
  read(buffer: Uint8Array, options: { at: number }): number;
  write(buffer: Uint8Array, options: { at: number }): number;
  flush(): void;
  getSize(): number;
  truncate(size: number): void;
  close(): void;
}

export interface OpfsDeviceOptions {
  readonly handle: AccessHandle;
  readonly checksum: Checksum;
  /** What messages call it. */
  readonly name: string;
  /** Called once it is closed. */
  readonly onClosed?: (() => void) | undefined;
}

interface Slot {
  readonly index: number;
  readonly sequence: number;
  readonly superblock: Uint8Array;
}

export class OpfsDevice implements PageDevice {
  readonly isTransactional = false;
  readonly #handle: AccessHandle;
  readonly #checksum: Checksum;
  readonly #name: string;
  readonly #onClosed: (() => void) | undefined;
  /** The last that was committed. */
  #slot: Slot | undefined;
  /** What lies behind is reserved, in bytes from the start. */
  #usedEnd: number;
  /** Of the file, which nobody else changes: to ask for it takes as long as opening a file. */
  #length: number;
  /** Free below, in bytes, as the last commit says. */
  #reusableBytes = 0;
  readonly #arena = new Arena();
  readonly #gathered = new Uint8Array(GATHER_SIZE);
  readonly #slotWriter = new Writer(SLOT_SIZE);
  /** The browser counts the file as what it is long: file-size.ts. */
  #isCountedExactly = false;
  #isOpen = true;
  /** Of a commit that failed: it may be there, and must not come up after a crash. */
  #failedSlot: number | undefined;

  /** Errors: EIO if the file can't be read; StoreError 'unknown-format'. */
  constructor({ handle, checksum, name, onClosed }: OpfsDeviceOptions) {
    this.#name = name;
    this.#handle = handle;
    this.#checksum = checksum;
    this.#onClosed = onClosed;
    const slots = [this.#readSlot(0), this.#readSlot(1)].filter((slot) => slot !== undefined);
    const [first, second] = slots.sort((a, b) => b.sequence - a.sequence);
    this.#slot = first ?? second;
    this.#length = sizeOf(handle);
    this.#usedEnd = this.#findUsedEnd();
  }

  #findUsedEnd(): number {
    if (this.#slot === undefined) return UNITS_START;
    try {
      const { space } = decodeRootBlock(this.#slot.superblock, this.#checksum);
      return UNITS_START + space.end * UNIT_SIZE;
    } catch (error) {
      if (!(error instanceof LinuxError) && !(error instanceof StoreError)) throw error;
      return this.#length;
    }
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  #readSlot(index: number): Slot | undefined {
    const bytes = new Uint8Array(SLOT_SIZE);
    const count = this.#readAt(bytes, index * SLOT_SIZE);
    const reader = new Reader(bytes.subarray(0, count));
    const isOurs = reader.u32() === MAGIC;
    const checksum = reader.u32();
    const version = reader.u16();
    const sequence = reader.u48();
    const size = reader.u32();
    const superblock = reader.take(size);
    if (!isOurs || reader.hasFailed) return undefined;
    const checked = bytes.subarray(CHECKED_FROM, SLOT_HEADER_SIZE + size);
    if (this.#checksum(checked) !== checksum) return undefined;
    if (version !== FORMAT_VERSION) {
      throw unknownFormat(this.#name, `format version ${version} in the file`);
    }
    return { index, sequence, superblock };
  }

  *readSuperblock(): Op<Uint8Array | undefined> {
    return this.#slot?.superblock;
  }

  *read(portions: readonly Portion[]): Op<(Uint8Array | undefined)[]> {
    this.#checkOpen();
    const found: (Uint8Array | undefined)[] = [];
    for (const { address, from, to } of portions) {
      const bytes = this.#arena.take(to - from);
      const at = UNITS_START + address * UNIT_SIZE + from;
      found.push(this.#readAt(bytes, at) === bytes.length ? bytes : undefined);
    }
    return found;
  }

  readAtOnce({ address, from, to }: Portion, target: Uint8Array): boolean {
    this.#checkOpen();
    return this.#readAt(target, UNITS_START + address * UNIT_SIZE + from) === to - from;
  }

  #readAt(bytes: Uint8Array, at: number): number {
    try {
      return this.#handle.read(bytes, { at });
    } catch {
      throw linuxerr.EIO;
    }
  }

  *commit(batch: DeviceBatch, _durability: Durability): Op<void> {
    const { writes, clears = [], superblock, reusableUnits } = batch;
    this.#checkOpen();
    const index = this.#slot?.index === 0 ? 1 : 0;
    const sequence = (this.#slot?.sequence ?? 0) + 1;
    const slotBytes = this.#encodeSlot(sequence, superblock);
    let isSlotTouched = false;
    try {
      if (this.#failedSlot !== undefined) this.#clearSlot(this.#failedSlot);
      // Only what is cleared as a whole gets shorter: a file has no holes to punch.
      if (clears.some(({ address, units }) => address === 0 && units === Infinity)) {
        this.#handle.truncate(UNITS_START);
        this.#length = UNITS_START;
        this.#usedEnd = UNITS_START;
      }
      this.#writeAll(writes);
      // The superblock must not be there before what it leads to.
      if (writes.length > 0) this.#handle.flush();
      isSlotTouched = true;
      this.#writeAt(slotBytes, index * SLOT_SIZE);
      this.#handle.flush();
    } catch (error) {
      if (isSlotTouched) {
        this.#failedSlot = index;
        this.#tryToClear(index);
      }
      throw isQuotaError(error) ? linuxerr.ENOSPC : linuxerr.EIO;
    }
    this.#slot = { index, sequence, superblock };
    if (reusableUnits !== undefined) this.#reusableBytes = reusableUnits * UNIT_SIZE;
    else if (writes.length > 0) this.#reusableBytes = 0;
  }

  /** The bytes are good until the next call. */
  #encodeSlot(sequence: number, superblock: Uint8Array): Uint8Array {
    const writer = this.#slotWriter;
    writer.offset = 0;
    writer.u32(MAGIC);
    writer.offset = CHECKED_FROM;
    writer.u16(FORMAT_VERSION);
    writer.u48(sequence);
    writer.u32(superblock.length);
    writer.copy(superblock);
    const bytes = writer.last(SLOT_HEADER_SIZE + superblock.length);
    writer.offset = CHECKED_FROM - 4;
    writer.u32(this.#checksum(bytes.subarray(CHECKED_FROM)));
    return bytes;
  }

  /** Small places that follow on each other are written at once: a call costs more than a copy. */
  #writeAll(writes: DeviceBatch['writes']): void {
    let start = 0;
    let size = 0;
    for (const { address, bytes } of writes) {
      const at = UNITS_START + address * UNIT_SIZE;
      const padded = unitsOf(bytes.length) * UNIT_SIZE;
      if (size > 0 && (at !== start + size || size + padded > GATHER_SIZE)) {
        this.#writeAt(this.#gathered.subarray(0, size), start);
        size = 0;
      }
      if (padded > GATHER_SIZE / 4) {
        this.#writeAt(bytes, at);
        continue;
      }
      if (size === 0) start = at;
      this.#gathered.set(bytes, size);
      this.#gathered.fill(0, size + bytes.length, size + padded);
      size += padded;
    }
    if (size > 0) this.#writeAt(this.#gathered.subarray(0, size), start);
  }

  #clearSlot(index: number): void {
    this.#writeAt(new Uint8Array(SLOT_HEADER_SIZE), index * SLOT_SIZE);
    this.#handle.flush();
    this.#failedSlot = undefined;
  }

  #tryToClear(index: number): void {
    try {
      this.#clearSlot(index);
    } catch {
      // The next commit has to, before it uses the places of this one.
    }
  }

  #writeAt(bytes: Uint8Array, at: number): void {
    const end = at + bytes.length;
    let isWhole = false;
    try {
      isWhole = this.#handle.write(bytes, { at }) === bytes.length;
    } finally {
      if (!isWhole) this.#forgetLength();
    }
    // Also what Chromium does with a file whose site data were cleared.
    if (!isWhole) throw linuxerr.EIO;
    this.#length = Math.max(this.#length, end);
    this.#usedEnd = Math.max(this.#usedEnd, end);
  }

  /** Some of what was to be written may be there. */
  #forgetLength(): void {
    try {
      this.#length = this.#handle.getSize();
    } catch {
      this.#length = this.#usedEnd;
    }
  }

  *rewrite(address: number, bytes: Uint8Array): Op<void> {
    this.#checkOpen();
    try {
      this.#writeAt(bytes, UNITS_START + address * UNIT_SIZE);
      this.#handle.flush();
    } catch {
      throw linuxerr.EIO;
    }
  }

  *usage(): Op<StoreUsage> {
    this.#checkOpen();
    const used = this.#usedEnd - this.#reusableBytes;
    return { used, available: Number.MAX_SAFE_INTEGER };
  }

  get reservedBytes(): number {
    return this.#isOpen ? this.#reusableBytes + this.#bytesBehind : 0;
  }

  /** Of the file, behind what is in use. */
  get #bytesBehind(): number {
    return Math.max(0, this.#length - this.#usedEnd);
  }

  reserveCost(bytes: number): number {
    const wanted = this.#usedEnd + bytes - this.#reusableBytes;
    if (this.#isCountedExactly) return Math.max(0, wanted - this.#length);
    return Math.max(0, countedSize(wanted) - countedSize(this.#length));
  }

  /** A file that is made longer takes of the quota what it may be filled with. */
  *reserve(bytes: number): Op<number> {
    this.#checkOpen();
    const wanted = this.#usedEnd + bytes - this.#reusableBytes;
    const { size, last } = growFile(this.#handle, this.#length, wanted);
    this.#length = size;
    if (last === 'ignored') this.#isCountedExactly = true;
    return this.reservedBytes;
  }

  *release(): Op<boolean> {
    this.#checkOpen();
    if (this.#bytesBehind === 0) return false;
    if (resizeFile(this.#handle, this.#usedEnd) !== 'done') return false;
    this.#length = this.#usedEnd;
    return true;
  }

  *close(): Op<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    // What is reserved need not be held while nobody writes.
    closeFile(this.#handle, this.#usedEnd);
    this.#onClosed?.();
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw linuxerr.EIO;
  }
}
