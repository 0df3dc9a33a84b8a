// Character devices. Mirrors gVisor pkg/sentry/devices/memdev; Linux: drivers/char/mem.c, random.c.

import { linuxerr } from '../../abi/errno.ts';
import { makeDev } from '../../abi/stat.ts';
import type { Op } from '../../lib/op.ts';
import type { VirtualDentry } from '../../vfs/dentry.ts';
import type { Inode } from './inode.ts';
import { LocalFileDescription } from './local-file-description.ts';
import type { LocalTree } from './local-tree.ts';

/**
 * What a device does. Reads fill the buffer and return how much; writes take everything unless they
 * throw.
 */
export interface Device {
  read(buffer: Uint8Array): number;
  write(bytes: Uint8Array): number;
}

const nullDevice: Device = { read: () => 0, write: (bytes) => bytes.length };

const zeroDevice: Device = { read: fillZeros, write: (bytes) => bytes.length };

const fullDevice: Device = {
  read: fillZeros,
  write: (bytes) => {
    if (bytes.length === 0) return 0;
    throw linuxerr.ENOSPC;
  },
};

/** Reads come from `fillRandom`; what is written would stir the pool, which there is none of. */
function randomDevice(fillRandom: (buffer: Uint8Array) => void): Device {
  return {
    read: (buffer) => {
      fillRandom(buffer);
      return buffer.length;
    },
    write: (bytes) => bytes.length,
  };
}

/** Name in /dev → number. Linux: Documentation/admin-guide/devices.txt. */
export const MEMORY_DEVICES = {
  null: makeDev(1, 3),
  zero: makeDev(1, 5),
  full: makeDev(1, 7),
  random: makeDev(1, 8),
  urandom: makeDev(1, 9),
} as const;

/** Character devices by number, wherever their nodes are. */
export type Devices = ReadonlyMap<number, Device>;

/** `fillRandom` fills a buffer of any length. */
export function makeDevices(fillRandom: (buffer: Uint8Array) => void): Devices {
  const random = randomDevice(fillRandom);
  const devices: Record<keyof typeof MEMORY_DEVICES, Device> = {
    null: nullDevice,
    zero: zeroDevice,
    full: fullDevice,
    random,
    urandom: random,
  };
  const names = Object.keys(devices) as (keyof typeof devices)[];
  return new Map(names.map((name) => [MEMORY_DEVICES[name], devices[name]]));
}

function fillZeros(buffer: Uint8Array): number {
  buffer.fill(0);
  return buffer.length;
}

/**
 * A device in use. Offsets have no meaning: reads and writes at any of them are the same, seeking
 * stays at 0.
 */
export class DeviceDescription extends LocalFileDescription {
  readonly #device: Device;

  constructor(
    fs: LocalTree,
    options: { readonly vd: VirtualDentry; readonly inode: Inode; readonly flags: number },
    device: Device,
  ) {
    super(fs, { ...options, isSpecial: true });
    this.#device = device;
  }

  protected override *readImpl(buffer: Uint8Array): Op<number> {
    return this.#device.read(buffer);
  }

  protected override preadImpl(buffer: Uint8Array): Op<number> {
    return this.readImpl(buffer);
  }

  protected override *writeImpl(bytes: Uint8Array): Op<number> {
    return this.#device.write(bytes);
  }

  protected override pwriteImpl(bytes: Uint8Array): Op<number> {
    return this.writeImpl(bytes);
  }

  protected override *seekImpl(): Op<number> {
    return 0;
  }
}
