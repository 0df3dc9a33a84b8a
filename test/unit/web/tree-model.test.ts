// The file tree's model.

import { beforeEach, describe, expect, test, vi } from 'vitest';
import { CHILDREN_MAX, type TreeFileSystem, TreeModel } from '../../../web/files/tree-model.ts';
import { FakeFileSystem } from './fake-file-system.ts';

let fs: FakeFileSystem;
let tree: TreeModel;

beforeEach(async () => {
  fs = new FakeFileSystem();
  await fs.fill({ '/b.txt': '', '/a.txt': '', '/dir/inner/x': '', '/dir/y': '' });
  await fs.symlink('dir', '/link');
  await fs.symlink('nowhere', '/broken');
  tree = new TreeModel(fs);
  await tree.expand('/');
});

/** The rows, indented by their level. */
function show(): string[] {
  return tree.rows().map(({ node, level, isExpanded }) => {
    const sign = node.canExpand ? (isExpanded ? '-' : '+') : '';
    return `${' '.repeat(level - 1)}${sign}${node.name}`;
  });
}

describe('the tree', () => {
  test('is refreshed without waiting for a server, which is asked once at a time', async () => {
    await fs.fill({ '/far/there': '' });
    const waiting: (() => void)[] = [];
    let isSlow = false;
    const slow: TreeFileSystem = {
      readdir: fs.readdir.bind(fs),
      readlink: fs.readlink.bind(fs),
      stat: async (path) => {
        if (isSlow && path === '/far') await new Promise<void>((wake) => waiting.push(wake));
        return fs.stat(path);
      },
    };
    tree = new TreeModel(slow, (path) => path.startsWith('/far'));
    await tree.expand('/');
    await tree.expand('/far');
    await fs.fill({ '/far/later': '', '/near': '' });
    isSlow = true;
    const refreshing = tree.refreshRemote();
    expect(await tree.refreshRemote()).toBe(false);
    expect(await tree.refresh()).toBe(true);
    expect(show()).toContain(' near');
    expect(show()).not.toContain('  later');
    expect(waiting).toHaveLength(1);
    isSlow = false;
    waiting[0]!();
    expect(await refreshing).toBe(true);
    expect(show()).toContain('  later');
  });

  test('lists directories and links to them first', () => {
    expect(show()).toEqual(['-/', ' +dir', ' +link', ' a.txt', ' b.txt', ' broken']);
    expect(tree.rows().map(({ node }) => node.target)).toEqual([
      null,
      null,
      'dir',
      null,
      null,
      'nowhere',
    ]);
  });

  test('opens and closes directories, also through links', async () => {
    await tree.expand('/link');
    expect(show()).toContain('  +inner');
    tree.collapse('/link');
    expect(show()).not.toContain('  +inner');
  });

  test('opens the way to a path', async () => {
    await tree.reveal('/dir/inner/x');
    expect(show().slice(0, 5)).toEqual(['-/', ' -dir', '  -inner', '   x', '  y']);
  });

  test('sees new and removed files, and only then says that it changed', async () => {
    expect(await tree.refresh()).toBe(false);
    await fs.writeFile('/c.txt', '');
    expect(await tree.refresh()).toBe(true);
    expect(show()).toContain(' c.txt');
    await fs.unlink('/c.txt');
    expect(await tree.refresh()).toBe(true);
    expect(show()).not.toContain(' c.txt');
    await fs.writeFile('/dir/unseen', '');
    expect(await tree.refresh()).toBe(false);
  });

  test('forgets a directory that is gone', async () => {
    await tree.expand('/dir');
    await fs.rename('/dir', '/moved');
    await tree.refresh();
    expect(show()).toContain(' +moved');
    expect(tree.isExpanded('/dir')).toBe(false);
  });

  test('keeps what it showed when there is no kernel any more', async () => {
    await tree.expand('/dir');
    const before = show();
    const stopped = new Error('the kernel has stopped');
    for (const method of ['stat', 'readdir', 'readlink'] as const) {
      vi.spyOn(fs, method).mockRejectedValue(stopped);
    }
    await expect(tree.refresh()).rejects.toThrow(stopped);
    await expect(tree.expand('/dir/inner')).rejects.toThrow(stopped);
    expect(show()).toEqual(before);
  });

  test('tells where a row stands among its siblings', () => {
    const [root, dir] = tree.rows();
    expect([root?.position, root?.siblingCount]).toEqual([1, 1]);
    expect([dir?.position, dir?.siblingCount]).toEqual([1, 5]);
  });

  test('shows a limited number of entries, and says so', async () => {
    for (let index = 0; index < CHILDREN_MAX + 10; index += 1) {
      await fs.writeFile(`/dir/${String(index)}`, '');
    }
    await tree.expand('/dir');
    const row = tree.rows().find(({ node }) => node.path === '/dir');
    expect(row?.note).toBe('12 more are not shown');
    expect(tree.rows().filter(({ level }) => level === 3)).toHaveLength(CHILDREN_MAX);
  });
});
