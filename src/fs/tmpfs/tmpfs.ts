// tmpfs: files in memory, with a limit. Mirrors gVisor pkg/sentry/fsimpl/tmpfs; Linux: tmpfs(5).

import { TMPFS_MAGIC } from '../../abi/stat.ts';
import { BLOCK_SIZE } from '../shared/file-data.ts';
import type { LocalOptions } from '../shared/local-filesystem.ts';
import { MemoryFilesystem } from '../shared/memory-filesystem.ts';
import { parseSize } from './size.ts';

export interface TmpfsOptions {
  readonly size?: number | string;
  readonly nrInodes?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * What size: '50%' is a part of, and half of which is the default. Browsers don't tell; this is a
 * common machine.
 */
const MEMORY_SIZE = 2 ** 30;

export class Tmpfs extends MemoryFilesystem {
  override readonly type = 'tmpfs';

  /** Errors: EINVAL for a size that can't be understood. */
  constructor(options: TmpfsOptions & LocalOptions & { readonly dev: number }) {
    super({
      dev: options.dev,
      clock: options.clock,
      devices: options.devices,
      magic: TMPFS_MAGIC,
      rootMode: options.mode ?? 0o1777,
      rootUid: options.uid ?? 0,
      rootGid: options.gid ?? 0,
      blocksMax: Math.ceil(parseSize(options.size ?? '50%', MEMORY_SIZE) / BLOCK_SIZE),
      inodesMax: options.nrInodes ?? 0,
    });
  }
}
