// GoferPaths: the operations on paths, once more if what was known of one turns out to be of
// another file. Linux: fs/namei.c filename_lookup(), include/linux/namei.h retry_estale().

import { linuxerr } from '../../abi/errno.ts';
import type { Stat, Statfs } from '../../abi/stat.ts';
import type { Op } from '../../lib/op.ts';
import type { Dentry, VirtualDentry } from '../../vfs/dentry.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type {
  MkdirOptions,
  MknodOptions,
  OpenOptions,
  RenameOptions,
  RenameSource,
  SetStat,
  SetXattr,
} from '../../vfs/options.ts';
import type { ResolvingPath } from '../../vfs/resolving-path.ts';
import { LocalFilesystem } from '../shared/local-filesystem.ts';

/** Errors: ESTALE the second time. */
function* onceMore<T>(rp: ResolvingPath, run: () => Op<T>): Op<T> {
  const goBack = rp.mark();
  try {
    return yield* run();
  } catch (error) {
    if (error !== linuxerr.ESTALE) throw error;
  }
  goBack();
  return yield* run();
}

export abstract class GoferPaths extends LocalFilesystem {
  override accessAt(rp: ResolvingPath, bits: number): Op<void> {
    return onceMore(rp, () => super.accessAt(rp, bits));
  }

  override getDentryAt(rp: ResolvingPath): Op<Dentry> {
    return onceMore(rp, () => super.getDentryAt(rp));
  }

  override getParentDentryAt(rp: ResolvingPath): Op<Dentry> {
    return onceMore(rp, () => super.getParentDentryAt(rp));
  }

  override statAt(rp: ResolvingPath): Op<Stat> {
    return onceMore(rp, () => super.statAt(rp));
  }

  override statfsAt(rp: ResolvingPath): Op<Statfs> {
    return onceMore(rp, () => super.statfsAt(rp));
  }

  override readlinkAt(rp: ResolvingPath): Op<string> {
    return onceMore(rp, () => super.readlinkAt(rp));
  }

  override setStatAt(rp: ResolvingPath, change: SetStat): Op<void> {
    return onceMore(rp, () => super.setStatAt(rp, change));
  }

  override getXattrAt(rp: ResolvingPath, name: string): Op<Uint8Array> {
    return onceMore(rp, () => super.getXattrAt(rp, name));
  }

  override setXattrAt(rp: ResolvingPath, change: SetXattr): Op<void> {
    return onceMore(rp, () => super.setXattrAt(rp, change));
  }

  override listXattrAt(rp: ResolvingPath): Op<string[]> {
    return onceMore(rp, () => super.listXattrAt(rp));
  }

  override removeXattrAt(rp: ResolvingPath, name: string): Op<void> {
    return onceMore(rp, () => super.removeXattrAt(rp, name));
  }

  override mkdirAt(rp: ResolvingPath, options: MkdirOptions): Op<void> {
    return onceMore(rp, () => super.mkdirAt(rp, options));
  }

  override mknodAt(rp: ResolvingPath, options: MknodOptions): Op<void> {
    return onceMore(rp, () => super.mknodAt(rp, options));
  }

  override symlinkAt(rp: ResolvingPath, target: string): Op<void> {
    return onceMore(rp, () => super.symlinkAt(rp, target));
  }

  override linkAt(rp: ResolvingPath, target: VirtualDentry): Op<void> {
    return onceMore(rp, () => super.linkAt(rp, target));
  }

  override openAt(rp: ResolvingPath, options: OpenOptions): Op<FileDescription> {
    return onceMore(rp, () => super.openAt(rp, options));
  }

  override unlinkAt(rp: ResolvingPath): Op<void> {
    return onceMore(rp, () => super.unlinkAt(rp));
  }

  override rmdirAt(rp: ResolvingPath): Op<void> {
    return onceMore(rp, () => super.rmdirAt(rp));
  }

  override renameAt(rp: ResolvingPath, source: RenameSource, options: RenameOptions): Op<void> {
    return onceMore(rp, () => super.renameAt(rp, source, options));
  }
}
