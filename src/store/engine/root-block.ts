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
// | root  | of the engine's own items (record-uses.ts)                                      |
// |       | what follows is missing in format 2                                             |
// | u32   | features that a reader may ignore                                               |
// | u32   | features without which a reader may read only: this version doesn't mount it    |
// | u32   | features without which nothing can be read                                      |
// | u8    | 1 if this is a copy that isn't whole yet (resilver.ts)                          |
// | u16   | number of sessions, the last 64; each: id u48, generation of its first commit   |
// |       | u48                                                                             |
// | u16   | number of checksums of root blocks before this one, the last 64; each u32       |
// |       | what follows is there if the feature LOG is                                     |
// | u32   | size of the log, and the log (commit-log.ts)                                    |
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
import { StoreError } from '../store-error.ts';
import { EMPTY_LOG } from './commit-log.ts';
import { EMPTY_LINEAGE, type Lineage } from './lineage.ts';
import type { Checksum } from './node-cache.ts';
import type { SpaceState } from './space.ts';
import { EMPTY_SPACE } from './space.ts';
import { EMPTY_ROOT, isNode, type Root } from './tree.ts';

export interface RootBlock {
  readonly generation: number;
  readonly space: SpaceState;
  readonly items: Root;
  readonly meta: Root;
  readonly features: Features;
  /** A mirror makes this copy, and has not finished. */
  readonly isIncomplete: boolean;
  readonly lineage: Lineage;
  /** What is durable and not in the trees: commit-log.ts. Empty: nothing. */
  readonly log: Uint8Array;
}

/** What the format has beyond its version, as bits. */
export interface Features {
  readonly compatible: number;
  readonly readOnlyCompatible: number;
  readonly incompatible: number;
}

/**
 * Incompatible: trees share nodes, or did, and places may have several users (subvolume-items.ts).
 * Who doesn't know of that would write over what another tree uses.
 */
export const SUBVOLUMES = 1;
/** Incompatible: there is a log. Who doesn't know of it would lose what was synced. */
const LOG = 2;

export const EMPTY_ROOT_BLOCK: RootBlock = {
  generation: 0,
  space: EMPTY_SPACE,
  items: EMPTY_ROOT,
  meta: EMPTY_ROOT,
  features: { compatible: 0, readOnlyCompatible: 0, incompatible: 0 },
  isIncomplete: false,
  lineage: EMPTY_LINEAGE,
  log: EMPTY_LOG,
};

const CHECKSUM_BYTES = 4;
const GENERATION_BYTES = 6;
const SPACE_HEADER_BYTES = 6 + 2 + 2;
const SPACE_CHANGE_BYTES = 11;
const ROOT_HEADER_BYTES = 5;
const FEATURES_BYTES = 13;
const SESSION_BYTES = 12;
const LOG_HEADER_BYTES = 4;

/** Encodes root blocks that follow on each other: those of logs differ in little. */
export class RootBlockEncoder {
  readonly #checksum: Checksum;
  #last: Trees | undefined;
  /** Of `#last`. */
  #trees = new Uint8Array(0);

  constructor(checksum: Checksum) {
    this.#checksum = checksum;
  }

  encode(block: RootBlock): Uint8Array {
    const { space, items, meta } = block;
    const last = this.#last;
    if (last?.space !== space || last.items !== items || last.meta !== meta) {
      this.#trees = encodeTrees(block);
      this.#last = { space, items, meta };
    }
    return encodeWith(this.#trees, block, this.#checksum);
  }
}

export function encodeRootBlock(block: RootBlock, checksum: Checksum): Uint8Array {
  return encodeWith(encodeTrees(block), block, checksum);
}

function encodeWith(trees: Uint8Array, block: RootBlock, checksum: Checksum): Uint8Array {
  const { generation, lineage, log } = block;
  const writer = new Writer(
    CHECKSUM_BYTES +
      GENERATION_BYTES +
      trees.length +
      FEATURES_BYTES +
      (2 + lineage.sessions.length * SESSION_BYTES) +
      (2 + lineage.recent.length * CHECKSUM_BYTES) +
      (log.length === 0 ? 0 : LOG_HEADER_BYTES + log.length),
  );
  writer.offset = CHECKSUM_BYTES;
  writer.u48(generation);
  writer.copy(trees);
  writeRest(writer, block);
  writer.offset = 0;
  writer.u32(checksum(writer.bytes.subarray(CHECKSUM_BYTES)));
  return writer.bytes;
}

/** Where things are: what a log leaves as it is. */
type Trees = Pick<RootBlock, 'space' | 'items' | 'meta'>;

function encodeTrees({ space, items, meta }: Trees): Uint8Array<ArrayBuffer> {
  const { end, pages, log } = space;
  const roots = [encodeRoot(items), encodeRoot(meta)];
  const size = roots.reduce(
    (sum, root) => sum + root.length,
    SPACE_HEADER_BYTES + pages.length * CHILD_BYTES + log.length * SPACE_CHANGE_BYTES,
  );
  const writer = new Writer(size);
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
  return writer.bytes;
}

function writeRest(writer: Writer, { features, isIncomplete, lineage, log }: RootBlock): void {
  const others = features.incompatible & ~LOG;
  writer.u32(features.compatible);
  writer.u32(features.readOnlyCompatible);
  writer.u32(log.length === 0 ? others : others | LOG);
  writer.u8(Number(isIncomplete));
  writer.u16(lineage.sessions.length);
  for (const { id, from } of lineage.sessions) {
    writer.u48(id);
    writer.u48(from);
  }
  writer.u16(lineage.recent.length);
  for (const checksum of lineage.recent) writer.u32(checksum);
  if (log.length === 0) return;
  writer.u32(log.length);
  writer.copy(log);
}

/** Of bytes that are a root block: what the next one keeps of it. */
export function checksumOfRootBlock(bytes: Uint8Array): number {
  return new Reader(bytes).u32();
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

/**
 * Errors: EIO if the bytes are not those of a root block; StoreError 'unknown-format' if they need
 * a reader that knows more.
 */
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
  const isFormat2 = reader.offset === bytes.length;
  const rest = isFormat2 ? EMPTY_ROOT_BLOCK : readRest(reader);
  if (reader.hasFailed || reader.offset !== bytes.length) throw linuxerr.EIO;
  checkFeatures(rest.features);
  return { ...rest, ...block, ...roots };
}

function checkFeatures({ incompatible, readOnlyCompatible }: Features): void {
  const unknown = (incompatible & ~(SUBVOLUMES | LOG)) | readOnlyCompatible;
  if (unknown === 0) return;
  throw new StoreError(
    'unknown-format',
    'The filesystem was written by a later version of Burrow and uses what this one doesn’t ' +
      `know (features 0x${unknown.toString(16)}). Nothing was changed. Open it with that version.`,
  );
}

function readRest(reader: Reader): Omit<RootBlock, 'generation' | 'space' | 'items' | 'meta'> {
  const [compatible, readOnlyCompatible, incompatible] = [reader.u32(), reader.u32(), reader.u32()];
  const isIncomplete = reader.u8() === 1;
  const sessions: { id: number; from: number }[] = [];
  for (let left = reader.u16(); left > 0 && !reader.hasFailed; left--) {
    sessions.push({ id: reader.u48(), from: reader.u48() });
  }
  const recent: number[] = [];
  for (let left = reader.u16(); left > 0 && !reader.hasFailed; left--) recent.push(reader.u32());
  const features = { compatible, readOnlyCompatible, incompatible };
  const log = (incompatible & LOG) === 0 ? EMPTY_LOG : reader.take(reader.u32());
  return { features, isIncomplete, lineage: { sessions, recent }, log };
}

function readRoot(reader: Reader): Root {
  return reader.u8() === 0 ? readChild(reader) : decodeNode(reader.take(reader.u32()));
}
