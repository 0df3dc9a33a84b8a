// What clients of one tree change, told to those of another by the fan-out.

import { expect, test } from 'vitest';
import { S_IFREG } from '../../../src/abi/stat.ts';
import { LocalFanout } from '../../../src/served/fanout.ts';
import type { Holder } from '../../../src/served/node.ts';
import type { ServedFile, Statx } from '../../../src/served/served-file.ts';
import { CHANGED_ATTRIBUTES, CHANGED_DATA, ServedTree } from '../../../src/served/served-tree.ts';

type Told = readonly [flags: number, name: string];

/** A tree whose root has this device, and a client's hold of the file 7 of it. */
function treeOf(fanout: LocalFanout, devMinor: number, birth = '1.0') {
  const tree = new ServedTree(fanout);
  tree.files.root = { devMajor: 8, devMinor } as Statx;
  const hold = (): { holder: Holder; told: Told[] } => {
    const told: Told[] = [];
    const holder: Holder = {
      node: tree.root,
      file: { type: S_IFREG } as ServedFile,
      fileMu: undefined,
      fileKey: `8:${devMinor}:7`,
      birth,
      client: {},
      changed: (flags, name) => void told.push([flags, name]),
    };
    tree.files.add(holder);
    return { holder, told };
  };
  return { tree, hold };
}

test('a change is told once to each other holder, here and at other servers', () => {
  const fanout = new LocalFanout();
  const [here, there] = [treeOf(fanout, 1), treeOf(fanout, 2)];
  const [own, other, far] = [here.hold(), here.hold(), there.hold()];
  here.tree.written(own.holder);
  const written: Told = [CHANGED_ATTRIBUTES | CHANGED_DATA, ''];
  expect([own.told, other.told, far.told]).toEqual([[], [written], [written]]);
});

test('a file with another time of birth is another file', () => {
  const fanout = new LocalFanout();
  const [here, there] = [treeOf(fanout, 1), treeOf(fanout, 1, '2.0')];
  const [own, far] = [here.hold(), there.hold()];
  here.tree.written(own.holder);
  expect(far.told).toEqual([]);
});

test('who has left is told nothing', () => {
  const fanout = new LocalFanout();
  const [here, there] = [treeOf(fanout, 1), treeOf(fanout, 1)];
  const [own, far] = [here.hold(), there.hold()];
  there.tree.leave();
  here.tree.written(own.holder);
  expect(far.told).toEqual([]);
});
