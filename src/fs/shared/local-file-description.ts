// LocalFileDescription: what all open files of a local filesystem have in common: attributes and
// extended attributes, which are the inode's.

import { O_NOATIME } from '../../abi/fcntl.ts';
import type { Stat } from '../../abi/stat.ts';
import type { Credentials } from '../../auth/credentials.ts';
import type { Op } from '../../lib/op.ts';
import type { VirtualDentry } from '../../vfs/dentry.ts';
import { FileDescription } from '../../vfs/file-description.ts';
import type { SetStat, SetXattr } from '../../vfs/options.ts';
import { applySetStat, checkSetStatTarget, statOf, touchAtime } from './attributes.ts';
import type { Inode } from './inode.ts';
import type { LocalTree } from './local-tree.ts';
import { getXattr, listXattrs, removeXattr, setXattr } from './xattrs.ts';

export abstract class LocalFileDescription extends FileDescription {
  protected readonly fs: LocalTree;
  protected readonly inode: Inode;

  constructor(
    fs: LocalTree,
    options: {
      readonly vd: VirtualDentry;
      readonly inode: Inode;
      readonly flags: number;
      /** A device, pipe or socket: writing to it does not write to the mount. */
      readonly isSpecial?: boolean;
    },
  ) {
    super(options.vd, options.flags, { isSpecial: options.isSpecial === true });
    this.fs = fs;
    this.inode = options.inode;
  }

  override *stat(): Op<Stat> {
    return statOf(this.fs, this.inode);
  }

  override accessed(): void {
    if ((this.statusFlags & O_NOATIME) === 0) touchAtime(this.fs, this.inode, this.vd.mount.flags);
  }

  protected override *setStatImpl(change: SetStat, creds: Credentials): Op<number> {
    checkSetStatTarget(this.inode, change);
    this.vd.mount.checkWritable();
    return yield* applySetStat(this.fs, this.inode, change, creds);
  }

  protected override getXattrImpl(name: string, creds: Credentials): Op<Uint8Array> {
    return getXattr(this.fs, this.inode, name, creds);
  }

  protected override setXattrImpl(change: SetXattr, creds: Credentials): Op<void> {
    this.vd.mount.checkWritable();
    return setXattr(this.fs, this.inode, change, creds);
  }

  protected override listXattrImpl(creds: Credentials): Op<string[]> {
    return listXattrs(this.fs, this.inode, creds);
  }

  protected override removeXattrImpl(name: string, creds: Credentials): Op<void> {
    this.vd.mount.checkWritable();
    return removeXattr(this.fs, this.inode, name, creds);
  }
}
