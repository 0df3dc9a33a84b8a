// How well a filesystem's changes get to its store, in words for whoever sits in front of it.

import { linuxerr } from '../../abi/errno.ts';
import type { Health } from '../../vfs/filesystem.ts';

/** Why nothing, or not everything, is saved; undefined if all is well. */
export function reasonOf(health: Health, error: Error | undefined): string | undefined {
  switch (health) {
    case 'good':
      return error?.message;
    case 'full':
      return error === undefined
        ? 'The browser gives this site no more storage. What was written is saved; delete ' +
            'something before you write more.'
        : 'The browser gives this site no more storage, so the last changes are not saved. They ' +
            'are kept in memory, and saved once there is room: delete something, new files ' +
            'first.';
    case 'read-only':
      return (
        `The browser failed to write to its storage (${error?.message ?? 'unknown error'}), so ` +
        'the filesystem is read-only. What is not saved is kept in memory; it is tried again by ' +
        'itself, and when you sync.'
      );
    case 'lost':
      return (
        'The storage of the filesystem was closed or deleted while it was in use: site data ' +
        'were cleared, or another tab took it over. Nothing more can be saved. What is in memory ' +
        'can still be read: copy what you need, then load the page again.'
      );
  }
}

/** What a change fails with: EROFS, EIO, or nothing. */
export function checkHealth(health: Health): void {
  if (health === 'read-only') throw linuxerr.EROFS;
  if (health === 'lost') throw linuxerr.EIO;
}

export function isReadOnly(health: Health): boolean {
  return health === 'read-only' || health === 'lost';
}
