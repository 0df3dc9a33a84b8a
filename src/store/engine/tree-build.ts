// buildTree: inner nodes over leaves that are there.

import { assertDefined } from '../../lib/assert.ts';
import type { Checksum } from './node-cache.ts';
import { type Child, encodeNode, entryBytes, NODE_HEADER_BYTES, NODE_SIZE_MAX } from './node.ts';
import { unitsOf } from './page-device.ts';
import { EMPTY_ROOT, type Root } from './tree.ts';
import type { Written } from './tree-edit.ts';

interface Entry {
  readonly key: string;
  readonly child: Child;
}

/** `entries` are in the order of their keys, none of which another leaf has. */
export function buildTree(
  leaves: readonly Entry[],
  write: {
    readonly checksum: Checksum;
    readonly generation: number;
    /** From there on there is room. */
    readonly address: number;
  },
): { root: Root; written: Written[]; next: number } {
  const written: Written[] = [];
  let next = write.address;
  const writeNode = (level: number, entries: readonly Entry[]): Entry => {
    const keys = entries.map(({ key }) => key);
    const { bytes, node } = encodeNode({ level, keys, values: entries.map(({ child }) => child) });
    const { generation, checksum } = write;
    const sizeBytes = bytes.length;
    const child = { address: next, sizeBytes, checksum: checksum(bytes), generation };
    next += unitsOf(sizeBytes);
    written.push({ child, node, bytes });
    return { key: assertDefined(keys[0]), child };
  };
  let entries = leaves;
  for (let level = 1; entries.length > 1; level++) {
    entries = grouped(entries).map((group) => writeNode(level, group));
  }
  return { root: entries[0]?.child ?? EMPTY_ROOT, written, next };
}

/** As many in a node as fit, and two at least. */
function grouped(entries: readonly Entry[]): Entry[][] {
  const groups: Entry[][] = [];
  let group: Entry[] = [];
  let size = NODE_HEADER_BYTES;
  for (const entry of entries) {
    // Somewhat more than it takes: what it shares with the key before it is not counted.
    const more = entryBytes('', entry.key, entry.child);
    if (size + more > NODE_SIZE_MAX && group.length > 1) {
      groups.push(group);
      [group, size] = [[], NODE_HEADER_BYTES];
    }
    group.push(entry);
    size += more;
  }
  if (group.length > 0) groups.push(group);
  return groups;
}
