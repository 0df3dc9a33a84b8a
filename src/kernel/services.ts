// Services: what the kernel does for the system calls of its tasks.

import type { Credentials } from '../auth/credentials.ts';
import type { Clock } from '../lib/clock.ts';
import type { Op } from '../lib/op.ts';
import type { FileDescription } from '../vfs/file-description.ts';
import type { InotifyInstance } from '../vfs/inotify.ts';
import type { MountFlags } from '../vfs/mount.ts';
import type { PathOperation } from '../vfs/resolving-path.ts';

/** What mount(2) is asked for. */
export interface MountRequest {
  readonly type: string;
  readonly source: string;
  /** Options of the type: `name=value`, separated by commas. */
  readonly data: string;
  readonly flags: MountFlags;
}

export interface Services {
  readonly clock: Clock;
  /** Errors: EMFILE. */
  openInotify(flags: number, creds: Credentials): InotifyInstance;
  /** The end to read from, and the one to write to. */
  openPipe(flags: number, creds: Credentials): [FileDescription, FileDescription];
  /** Errors: ENODEV, EINVAL; those of VirtualFilesystem.mount(). */
  mountFor(creds: Credentials, operation: PathOperation, request: MountRequest): Op<void>;
  /** Errors: those of VirtualFilesystem.umount(). */
  umountFor(
    creds: Credentials,
    operation: PathOperation,
    options: { readonly isLazy: boolean },
  ): Op<void>;
}
