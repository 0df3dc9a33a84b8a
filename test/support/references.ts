// Leaks of references, found by counting: what every count must be once all tasks have ended.

import type { Inode, LocalDentry } from '../../src/fs/shared/inode.ts';
import type { LocalFilesystem } from '../../src/fs/shared/local-filesystem.ts';
import type { Dentry } from '../../src/vfs/dentry.ts';
import type { VirtualFilesystem } from '../../src/vfs/virtual-filesystem.ts';

/** What is referred to though nobody is left to refer to it. Mounts may still be there. */
export function leakedReferences(vfs: VirtualFilesystem): string[] {
  const problems: string[] = [];
  const expected = new Map<Dentry, number>();
  const expect = (dentry: Dentry): void => {
    expected.set(dentry, (expected.get(dentry) ?? 0) + 1);
  };
  const filesystems = new Set<LocalFilesystem>();
  for (const mount of vfs.namespace.mounts) {
    const filesystem = mount.filesystem as LocalFilesystem;
    if (!filesystems.has(filesystem)) expect(filesystem.root);
    filesystems.add(filesystem);
    expect(mount.root);
    if (mount.point !== undefined) expect(mount.point.dentry);
    if (mount.isBusy !== mount.children.size > 0) problems.push(`the mount ${mount.source}`);
  }
  for (const filesystem of filesystems) {
    const inodes = new Map<Inode, number>();
    visit(filesystem.root, '', (dentry, path) => {
      const wanted = expected.get(dentry) ?? 0;
      if (dentry.refs !== wanted) problems.push(`${path}: ${dentry.refs} instead of ${wanted}`);
      const { inode } = dentry;
      inodes.set(inode, (inodes.get(inode) ?? 0) + (dentry.refs > 0 ? 1 : 0));
    });
    for (const [inode, wanted] of inodes) {
      if (inode.refs !== wanted) problems.push(`inode ${inode.ino}: ${inode.refs}`);
      if (inode.dataMutex.isHeld) problems.push(`inode ${inode.ino} is locked`);
    }
  }
  return problems;
}

function visit(
  dentry: LocalDentry,
  path: string,
  look: (dentry: LocalDentry, path: string) => void,
): void {
  look(dentry, path === '' ? '/' : path);
  for (const [name, child] of dentry.children ?? []) visit(child, `${path}/${name}`, look);
}
