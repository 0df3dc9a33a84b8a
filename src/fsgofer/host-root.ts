// The directory of the host that a gofer serves: the one path that is taken as it is.

import { platform } from 'node:os';
import { HostDirectory } from './host-directory.ts';
import { PathPlace } from './path-place.ts';
import { PinnedPlace } from './pinned-place.ts';
import type { Host } from './place.ts';

/** How files are found again: `pinned` by descriptors, `paths` by their names. See place.ts. */
export type HostAccess = 'pinned' | 'paths';

/** The way of this platform. */
function defaultAccess(): HostAccess {
  return platform() === 'linux' ? 'pinned' : 'paths';
}

export interface HostRootOptions extends Host {
  readonly access?: HostAccess;
}

/**
 * Errors: ENOENT, ENOTDIR, EACCES and the like; ENOSYS if files are to be pinned and there is no
 * /proc.
 */
export async function openHostRoot(path: string, options: HostRootOptions): Promise<HostDirectory> {
  const { access = defaultAccess(), ...host } = options;
  const place = access === 'pinned' ? PinnedPlace : PathPlace;
  return new HostDirectory(await place.openRoot(path, host));
}
