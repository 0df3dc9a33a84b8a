// The store of a mount, for what only the tab that holds it can do: snapshots, checks, images.

import { linuxerr } from '../abi/errno.ts';
import { Idbfs } from '../fs/idbfs/idbfs.ts';
import { StoreError } from '../store/store-error.ts';
import type { Mount } from '../vfs/mount.ts';

/**
 * Errors: EOPNOTSUPP for a filesystem that keeps nothing; StoreError 'locked' if another tab holds
 * the store, or did when it was mounted.
 */
export function heldStoreOf({ filesystem, source }: Mount): Idbfs {
  if (filesystem instanceof Idbfs) return filesystem;
  if (filesystem.holder === undefined) throw linuxerr.EOPNOTSUPP;
  throw new StoreError(
    'locked',
    filesystem.holder === 'this-tab'
      ? `This tab has taken the filesystem "${source}" over from one that was closed. Snapshots, ` +
          'checks and images are possible again once it is reloaded.'
      : `Another tab of this site holds the filesystem "${source}". Snapshots, checks and images ` +
          'are possible there; or close that tab, and reload this one.',
  );
}
