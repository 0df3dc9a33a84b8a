// QidPaths: the 64 bits by which clients tell files from each other, of a device and a number
// there. Mirrors gVisor runsc/fsgofer/fsgofer.go (makeQID).
//
// The upper byte is the device's, in the order in which they came; the rest is the number. What
// doesn't fit so is hashed: that two such files are taken for one is possible, and unlikely.

import type { Statx } from '../served/served-file.ts';

const INO_BITS = 56n;
/** The device of those that are hashed. */
const HASHED = 0xffn;
/** FNV-1a, 64 bits. */
const FNV_OFFSET = 0xcbf2_9ce4_8422_2325n;
const FNV_PRIME = 0x100_0000_01b3n;

export type FileId = Pick<Statx, 'ino' | 'devMajor' | 'devMinor'>;

export class QidPaths {
  readonly #devices = new Map<string, bigint>();

  pathOf({ ino, devMajor, devMinor }: FileId): bigint {
    const device = this.#device(`${devMajor}:${devMinor}`);
    if (device === HASHED || ino >> INO_BITS !== 0n) {
      const hash = hashOf(`${devMajor}:${devMinor}:${ino}`);
      return (HASHED << INO_BITS) | BigInt.asUintN(Number(INO_BITS), hash);
    }
    return (device << INO_BITS) | ino;
  }

  #device(key: string): bigint {
    const known = this.#devices.get(key);
    if (known !== undefined) return known;
    const next = BigInt(this.#devices.size);
    if (next >= HASHED) return HASHED;
    this.#devices.set(key, next);
    return next;
  }
}

function hashOf(text: string): bigint {
  let hash = FNV_OFFSET;
  for (let index = 0; index < text.length; index++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(index))) * FNV_PRIME);
  }
  return hash;
}
