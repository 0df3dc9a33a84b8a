// Follower: the side of a mirror that gets each commit after the other one has it, in the same
// order and as soon as it can. Where the medium writes a batch as a whole, those that wait become
// one.

import { LinuxError } from '../../abi/errno.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import { nextMacrotask } from '../../lib/macrotask.ts';
import { type Op, runAsync, WaitQueue } from '../../lib/op.ts';
import type { Durability } from '../store.ts';
import type { DeviceBatch, PageDevice, Place, UnitRange } from './page-device.ts';

interface Waiting {
  readonly batch: DeviceBatch;
  readonly durability: Durability;
}

/** `lacking`: what was pushed, and perhaps not written. */
type OnFailed = (error: LinuxError, lacking: readonly DeviceBatch[]) => void;

/**
 * What was synced is on the side that leads. So this one is strict once in so many milliseconds at
 * most: both syncing all the time wait for each other, as they are on one disk.
 */
const STRICT_INTERVAL_MS = 1000;
/** Batches that become one. */
const MERGED_BYTES_MAX = 8 << 20;

export class Follower {
  readonly device: PageDevice;
  #waiting: Waiting[] = [];
  /** What is being written, or was when it failed. */
  #underWay: readonly Waiting[] = [];
  #isRunning = false;
  #failure: LinuxError | undefined;
  #backlogBytes = 0;
  readonly #progress = new WaitQueue();
  readonly #clock: Clock;
  #nextStrictMs = 0;
  readonly #onFailed: OnFailed;

  /** `onFailed` is called once: nothing is written from then on. */
  constructor(device: PageDevice, clock: Clock, onFailed: OnFailed) {
    this.device = device;
    this.#clock = clock;
    this.#onFailed = onFailed;
  }

  /** What it doesn't have yet, in bytes. */
  get backlogBytes(): number {
    return this.#backlogBytes;
  }

  /** Why it has given up. */
  get failure(): LinuxError | undefined {
    return this.#failure;
  }

  /** Woken when a batch is there, or when it has failed. */
  get progress(): WaitQueue {
    return this.#progress;
  }

  /** The batch's bytes must not change any more. */
  push(batch: DeviceBatch, durability: Durability): void {
    if (this.#failure !== undefined) return;
    const last = this.#waiting.at(-1);
    if (last !== undefined && isLog(batch)) {
      this.#waiting.pop();
      this.#backlogBytes -= sizeOf(last.batch);
      this.#add({ ...last.batch, superblock: batch.superblock }, stricter(last, durability));
    } else this.#add(batch, durability);
    void this.#run();
  }

  #add(batch: DeviceBatch, durability: Durability): void {
    this.#waiting.push({ batch, durability });
    this.#backlogBytes += sizeOf(batch);
  }

  /** Waits until it has all that was pushed, or has failed. */
  *drained(): Op<void> {
    while (this.#isRunning) yield this.#progress;
  }

  /** It gets nothing any more. */
  fail(error: LinuxError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    const lacking = [...this.#underWay, ...this.#waiting].map(({ batch }) => batch);
    this.#waiting = [];
    this.#backlogBytes = 0;
    this.#onFailed(error, lacking);
    this.#progress.wakeAll();
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // Whoever syncs need not wait until all of it is on its way here as well.
    await nextMacrotask();
    try {
      while (this.#waiting.length > 0) {
        const next = this.#take();
        this.#underWay = next;
        try {
          await runAsync(this.device.commit(merged(next), this.#durabilityOf(next)));
          this.#underWay = [];
        } catch (error) {
          if (!(error instanceof LinuxError)) throw error;
          this.fail(error);
        }
        if (this.#failure !== undefined) break;
        for (const { batch } of next) this.#backlogBytes -= sizeOf(batch);
        this.#progress.wakeAll();
      }
    } finally {
      this.#isRunning = false;
      this.#progress.wakeAll();
    }
  }

  #durabilityOf(batches: readonly Waiting[]): Durability {
    if (batches.every(({ durability }) => durability === 'relaxed')) return 'relaxed';
    const now = this.#clock.monotonicMs();
    if (now < this.#nextStrictMs) return 'relaxed';
    this.#nextStrictMs = now + STRICT_INTERVAL_MS;
    return 'strict';
  }

  /** What is written next, as one batch. */
  #take(): Waiting[] {
    let count = 0;
    let bytes = 0;
    for (const { batch } of this.#waiting) {
      bytes += sizeOf(batch);
      const fits = this.device.isTransactional && bytes <= MERGED_BYTES_MAX;
      if (count > 0 && !fits) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
}

/**
 * Nothing but a superblock, which may take the place of the one before: syncing a small file again
 * and again leaves one batch behind, and not thousands.
 */
function isLog({ writes, frees, clears = [], reusableUnits }: DeviceBatch): boolean {
  const changesSpace = clears.length > 0 || reusableUnits !== undefined;
  return writes.length === 0 && frees.length === 0 && !changesSpace;
}

function stricter({ durability }: Waiting, other: Durability): Durability {
  return durability === 'strict' ? 'strict' : other;
}

function sizeOf({ writes, superblock }: DeviceBatch): number {
  return writes.reduce((sum, { bytes }) => sum + bytes.length, superblock.length);
}

/** What several batches, one after the other, come to. */
function merged(batches: readonly Waiting[]): DeviceBatch {
  const last = assertDefined(batches.at(-1)).batch;
  if (batches.length === 1) return last;
  const writes = new Map<number, Uint8Array>();
  const frees = new Map<number, Place>();
  const clears: UnitRange[] = [];
  for (const { batch } of batches) {
    for (const range of batch.clears ?? []) {
      clears.push(range);
      if (range.units === Infinity) deleteFrom(writes, range.address);
      else for (let i = 0; i < range.units; i++) writes.delete(range.address + i);
    }
    for (const place of batch.frees) {
      // What was written and given up meanwhile was never there.
      if (!writes.delete(place.address)) frees.set(place.address, place);
    }
    for (const { address, bytes } of batch.writes) writes.set(address, bytes);
  }
  return {
    clears,
    writes: Array.from(writes, ([address, bytes]) => ({ address, bytes })),
    frees: [...frees.values()],
    superblock: last.superblock,
  };
}

function deleteFrom(writes: Map<number, Uint8Array>, address: number): void {
  for (const each of writes.keys()) if (each >= address) writes.delete(each);
}
