// Mount points in the tree. What another filesystem has is served as well, but for those through
// which the host's kernel is looked into and changed: their regular files are no files.

import { platform } from 'node:os';
import { linuxerr } from '../abi/errno.ts';
import type { Place } from './place.ts';

/** Linux: include/uapi/linux/magic.h. */
const PROC_SUPER_MAGIC = 0x9fa0;
const SYSFS_MAGIC = 0x6265_6572;
const DEBUGFS_MAGIC = 0x6462_6720;
const TRACEFS_MAGIC = 0x7472_6163;
const REFUSED = [PROC_SUPER_MAGIC, SYSFS_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC];

/** Elsewhere filesystems have other numbers. */
const IS_LINUX = platform() === 'linux';

/**
 * `place` was walked to from `parent`. That files of one filesystem have several device numbers, as
 * overlayfs may have it, costs a call and no more.
 * Errors: EACCES if it is on one of the kernel's filesystems, and `parent` isn't.
 */
export async function checkMountPoint(parent: Place, place: Place): Promise<void> {
  if (!IS_LINUX || place.identity.dev === parent.identity.dev) return;
  const { type } = await place.statfs();
  if (REFUSED.includes(type)) throw linuxerr.EACCES;
}
