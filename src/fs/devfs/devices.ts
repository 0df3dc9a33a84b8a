// Character devices. Mirrors gVisor pkg/sentry/devices/memdev; Linux: drivers/char/mem.c, random.c.

import { linuxerr } from '../../abi/errno.ts';
import type { Stat } from '../../abi/stat.ts';
import type { Credentials } from '../../auth/credentials.ts';
import type { Op } from '../../lib/op.ts';
import type { VirtualDentry } from '../../vfs/dentry.ts';
import { FileDescription } from '../../vfs/file-description.ts';
import type { SetStat } from '../../vfs/options.ts';
import { applySetStat, checkSetStatTarget, statOf } from '../shared/attributes.ts';
import type { Inode } from '../shared/inode.ts';
import type { LocalFilesystem } from '../shared/local-filesystem.ts';

export interface DeviceContext {
  readonly fs: LocalFilesystem;
  readonly vd: VirtualDentry;
  readonly inode: Inode;
  readonly flags: number;
}

/**
 * What a device does. Reads fill the buffer and return how much; writes take everything unless they
 * throw.
 */
export interface Device {
  read(buffer: Uint8Array): number;
  write(bytes: Uint8Array): number;
}

export const nullDevice: Device = { read: () => 0, write: (bytes) => bytes.length };

export const zeroDevice: Device = { read: fillZeros, write: (bytes) => bytes.length };

export const fullDevice: Device = {
  read: fillZeros,
  write: (bytes) => {
    if (bytes.length === 0) return 0;
    throw linuxerr.ENOSPC;
  },
};

/** Reads come from `fillRandom`; what is written would stir the pool, which there is none of. */
export function randomDevice(fillRandom: (buffer: Uint8Array) => void): Device {
  return {
    read: (buffer) => {
      fillRandom(buffer);
      return buffer.length;
    },
    write: (bytes) => bytes.length,
  };
}

function fillZeros(buffer: Uint8Array): number {
  buffer.fill(0);
  return buffer.length;
}

/**
 * A device in use. Offsets have no meaning: reads and writes at any of them are the same, seeking
 * stays at 0.
 */
export class DeviceDescription extends FileDescription {
  readonly #context: DeviceContext;
  readonly #device: Device;

  constructor(context: DeviceContext, device: Device) {
    super(context.vd, context.flags, { isSpecial: true });
    this.#context = context;
    this.#device = device;
  }

  override *stat(): Op<Stat> {
    return statOf(this.#context.fs, this.#context.inode);
  }

  protected override *setStatImpl(change: SetStat, creds: Credentials): Op<void> {
    checkSetStatTarget(this.#context.inode, change);
    yield* applySetStat(this.#context.fs, this.#context.inode, change, creds);
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
