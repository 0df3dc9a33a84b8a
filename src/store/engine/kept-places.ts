// KeptPlaces: places that no committed state leads to, and that are not free yet: a view still
// reads them, or a replacement is being written to them.
//
// They are listed in the meta tree, so that after a crash, when nobody needs them any more, the
// next commit frees them. It does so too when the last who needed them is gone.
//
// | key                                     | value                                         |
// | --------------------------------------- | --------------------------------------------- |
// | "k", generation u64, number of the item | places: address u48, size in bytes u32 of each |

import { linuxerr } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import { numberKey } from '../number-key.ts';
import { Reader, Writer } from './node.ts';
import type { Place } from './page-device.ts';
import type { Tree } from './tree.ts';
import type { Change } from './tree-edit.ts';

const PREFIX = 'k';
/** Keys of records' counts begin with U+0000: no address is that high. */
const RANGE = { from: PREFIX, to: 'l' };
const PLACE_BYTES = 10;
const PLACES_PER_ITEM = 800;

export interface KeptEdit {
  /** Of the meta tree. */
  readonly changes: readonly Change[];
  /** Places that are free from this commit on. */
  readonly frees: readonly Place[];
  /** Afterwards none are listed. */
  readonly isEmpty: boolean;
}

export class KeptPlaces {
  #users = 0;
  /** The meta tree lists none, for certain. */
  #isEmpty = false;

  /** Is what commits give up kept? */
  get isHeld(): boolean {
    return this.#users > 0;
  }

  /** From the next commit on, what is given up is kept. Returns a function that ends this. */
  hold(): () => void {
    this.#users++;
    let isHeld = true;
    return () => {
      if (isHeld) this.#users--;
      isHeld = false;
    };
  }

  /** What becomes of the places that a commit gives up. */
  *plan(meta: Tree, given: readonly Place[], generation: number): Op<KeptEdit> {
    if (this.#users > 0) return this.keep(given, generation);
    if (this.#isEmpty) return { changes: [], frees: given, isEmpty: true };
    const changes: Change[] = [];
    const frees = [...given];
    for (const { key, value } of yield* meta.entries(RANGE)) {
      changes.push([key, undefined]);
      for (const place of placesIn(value)) {
        frees.push(place);
        // Of a replacement that was never finished there may be a count of the record's pieces.
        changes.push([numberKey(place.address), undefined]);
      }
    }
    return { changes, frees, isEmpty: true };
  }

  /** These are listed. */
  keep(places: readonly Place[], generation: number): KeptEdit {
    const changes: Change[] = [];
    for (let at = 0; at < places.length; at += PLACES_PER_ITEM) {
      const some = places.slice(at, at + PLACES_PER_ITEM);
      const key = PREFIX + numberKey(generation) + String.fromCharCode(changes.length);
      changes.push([key, placesItem(some)]);
    }
    return { changes, frees: [], isEmpty: this.#isEmpty && places.length === 0 };
  }

  /** The commit has ended well. */
  commit({ isEmpty }: KeptEdit): void {
    this.#isEmpty = isEmpty;
  }
}

function placesItem(places: readonly Place[]): Uint8Array {
  const writer = new Writer(places.length * PLACE_BYTES);
  for (const { address, sizeBytes } of places) {
    writer.u48(address);
    writer.u32(sizeBytes);
  }
  return writer.bytes;
}

/** Is this the key of a list of such places? */
export function isKeptKey(key: string): boolean {
  return key >= RANGE.from && key < RANGE.to;
}

/** Errors: EIO. */
export function placesIn(item: unknown): Place[] {
  if (!(item instanceof Uint8Array) || item.length % PLACE_BYTES !== 0) throw linuxerr.EIO;
  const reader = new Reader(item);
  const places: Place[] = [];
  while (reader.offset < item.length) {
    places.push({ address: reader.u48(), sizeBytes: reader.u32() });
  }
  return places;
}
