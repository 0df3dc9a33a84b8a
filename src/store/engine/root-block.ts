// The root block: what the engine finds at an opening, as the bytes of the device's superblock.
//
// | bytes | field                                                                           |
// | ----- | ------------------------------------------------------------------------------- |
// | u32   | checksum of what follows                                                        |
// | u48   | generation: number of commits                                                   |
// | u48   | end: no unit from here on has ever been used                                    |
// | u16   | number of space pages; each a child                                             |
// | u16   | number of changes of the space since; each: address u48, units u32, isFree u8   |
// | root  | of the items and objects                                                        |
// | root  | of the engine's own items (meta.ts)                                             |
//
// | root  | u8: 0 = a child follows; 1 = u32 size, and the node itself                      |
//
// Little-endian; children and nodes as in node.ts.

import { linuxerr } from '../../abi/errno.ts';
import {
  type Child,
  CHILD_BYTES,
  decodeNode,
  encodeNode,
  readChild,
  Reader,
  writeChild,
  Writer,
} from './node.ts';
import type { Checksum } from './node-cache.ts';
import type { SpaceState } from './space.ts';
import { EMPTY_SPACE } from './space.ts';
import { EMPTY_ROOT, isNode, type Root } from './tree.ts';

export interface RootBlock {
  readonly generation: number;
  readonly space: SpaceState;
  readonly items: Root;
  readonly meta: Root;
}

export const EMPTY_ROOT_BLOCK: RootBlock = {
  generation: 0,
  space: EMPTY_SPACE,
  items: EMPTY_ROOT,
  meta: EMPTY_ROOT,
};

const CHECKSUM_BYTES = 4;
const FIXED_BYTES = CHECKSUM_BYTES + 6 + 6 + 2 + 2;
const SPACE_CHANGE_BYTES = 11;
const ROOT_HEADER_BYTES = 5;

export function encodeRootBlock(block: RootBlock, checksum: Checksum): Uint8Array {
  const { generation, space } = block;
  const { end, pages, log } = space;
  const roots = [encodeRoot(block.items), encodeRoot(block.meta)];
  const size = roots.reduce(
    (sum, root) => sum + root.length,
    FIXED_BYTES + pages.length * CHILD_BYTES + log.length * SPACE_CHANGE_BYTES,
  );
  const writer = new Writer(size);
  writer.offset = CHECKSUM_BYTES;
  writer.u48(generation);
  writer.u48(end);
  writer.u16(pages.length);
  writer.u16(log.length);
  for (const page of pages) writeChild(writer, page);
  for (const { address, units, isFree } of log) {
    writer.u48(address);
    writer.u32(units);
    writer.u8(Number(isFree));
  }
  for (const root of roots) writer.copy(root);
  writer.offset = 0;
  writer.u32(checksum(writer.bytes.subarray(CHECKSUM_BYTES)));
  return writer.bytes;
}

function encodeRoot(root: Root): Uint8Array {
  if (!isNode(root)) {
    const writer = new Writer(1 + CHILD_BYTES);
    writer.u8(0);
    writeChild(writer, root);
    return writer.bytes;
  }
  const { bytes } = encodeNode(root);
  const writer = new Writer(ROOT_HEADER_BYTES + bytes.length);
  writer.u8(1);
  writer.u32(bytes.length);
  writer.copy(bytes);
  return writer.bytes;
}

/** Errors: EIO if the bytes are not those of a root block. */
export function decodeRootBlock(bytes: Uint8Array, checksum: Checksum): RootBlock {
  const reader = new Reader(bytes);
  const isWhole = reader.u32() === checksum(bytes.subarray(CHECKSUM_BYTES));
  if (!isWhole) throw linuxerr.EIO;
  const generation = reader.u48();
  const end = reader.u48();
  const pageCount = reader.u16();
  const changeCount = reader.u16();
  const pages: Child[] = [];
  for (let i = 0; i < pageCount && !reader.hasFailed; i++) pages.push(readChild(reader));
  const log: { address: number; units: number; isFree: boolean }[] = [];
  for (let i = 0; i < changeCount && !reader.hasFailed; i++) {
    const [address, units] = [reader.u48(), reader.u32()];
    log.push({ address, units, isFree: reader.u8() === 1 });
  }
  const block = { generation, space: { end, pages, log } };
  const roots = { items: readRoot(reader), meta: readRoot(reader) };
  if (reader.hasFailed || reader.offset !== bytes.length) throw linuxerr.EIO;
  return { ...block, ...roots };
}

function readRoot(reader: Reader): Root {
  return reader.u8() === 0 ? readChild(reader) : decodeNode(reader.take(reader.u32()));
}
