// OverlayDevice: commits that stay in memory, over a device that is only read: a repair is tried
// on it, and then put onto the device in one commit, or not at all.
//
// Whoever commits to it never writes to a place that the device below has in use.

import { assert } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { StoreUsage } from '../store.ts';
import {
  type DeviceBatch,
  mendPlace,
  type PageDevice,
  type Place,
  type Portion,
} from './page-device.ts';

export class OverlayDevice implements PageDevice {
  readonly isTransactional = true;
  readonly #below: PageDevice;
  readonly #writes = new Map<number, Uint8Array>();
  /** Places below that are not used any more. */
  readonly #freed = new Map<number, Place>();
  #superblock: Uint8Array | undefined;
  isOpen = true;

  constructor(below: PageDevice) {
    this.#below = below;
  }

  *readSuperblock(): Op<Uint8Array | undefined> {
    return this.#superblock ?? (yield* this.#below.readSuperblock());
  }

  *read(portions: readonly Portion[]): Op<(Uint8Array | undefined)[]> {
    const own = portions.map(({ address, sizeBytes, from, to }) => {
      const bytes = this.#writes.get(address);
      return bytes?.length === sizeBytes ? bytes.slice(from, to) : undefined;
    });
    const below = portions.filter(({ address }) => !this.#has(address));
    const found = below.length === 0 ? [] : yield* this.#below.read(below);
    let next = 0;
    return portions.map(({ address }, i) => (this.#has(address) ? own[i] : found[next++]));
  }

  /** Is what is at an address not what is below? */
  #has(address: number): boolean {
    return this.#writes.has(address) || this.#freed.has(address);
  }

  *commit({ writes, frees, superblock }: DeviceBatch): Op<void> {
    for (const place of frees) {
      if (!this.#writes.delete(place.address)) this.#freed.set(place.address, place);
    }
    for (const { address, bytes } of writes) {
      assert(!this.#freed.has(address), 'a place of the device below is written over');
      this.#writes.set(address, bytes);
    }
    this.#superblock = superblock;
  }

  *addresses(from: number, limit: number): Op<number[]> {
    const below = (yield* this.#below.addresses?.(from, limit) ?? nothing()).filter(
      (address) => !this.#has(address),
    );
    const own = [...this.#writes.keys()].filter((address) => address >= from);
    return [...below, ...own].sort((a, b) => a - b).slice(0, limit);
  }

  *readAt(address: number): Op<Uint8Array | undefined> {
    if (this.#has(address)) return this.#writes.get(address)?.slice();
    return yield* this.#below.readAt?.(address) ?? missing();
  }

  *rewrite(address: number, bytes: Uint8Array): Op<void> {
    this.#writes.set(address, bytes);
  }

  *mend(place: Place, isWhole: (bytes: Uint8Array) => boolean): Op<Uint8Array | undefined> {
    return this.#has(place.address) ? undefined : yield* mendPlace(this.#below, place, isWhole);
  }

  readonly reservedBytes = 0;

  /** What it takes, flush() finds or doesn't. */
  *reserve(): Op<number> {
    return 0;
  }

  *release(): Op<boolean> {
    return false;
  }

  usage(): Op<StoreUsage> {
    return this.#below.usage();
  }

  *close(): Op<void> {
    this.isOpen = false;
  }

  /** Puts all onto the device below, in one commit, strictly. Errors: ENOSPC, EIO: nothing is. */
  *flush(): Op<void> {
    if (this.#superblock === undefined) return;
    const writes = [...this.#writes].map(([address, bytes]) => ({ address, bytes }));
    const batch = { writes, frees: [...this.#freed.values()], superblock: this.#superblock };
    yield* this.#below.commit(batch, 'strict');
  }
}

function* nothing(): Op<number[]> {
  return [];
}

function* missing(): Op<undefined> {
  return undefined;
}
