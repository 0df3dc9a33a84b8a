// Items of the meta tree that say which trees there are besides the main one. Their keys can't be
// those of counts (record-uses.ts), which begin with U+0000: addresses have 48 bits.
//
// | key                    | value                                                          |
// | ---------------------- | -------------------------------------------------------------- |
// | "v", name              | root: child; createdAt u48, ms since 1970; generation u48 of   |
// |                        | the commit that made it; flags u8: 1 = read-only               |
// | "d", level, address    | child: a node that nothing leads to any more, the only user of |
// |                        | which this is. It goes, and what only it leads to              |
// | "g"                    | generation u48 of the last commit that made trees share nodes; |
// |                        | missing if there is neither a "v" nor a "d"                    |
//
// Little-endian; children as in node.ts, a level is a unit of the key (U+00FF: it is a tree's root,
// whose level isn't known), an address four.

import { linuxerr } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import { numberKey } from '../number-key.ts';
import { type Child, CHILD_BYTES, readChild, Reader, writeChild, Writer } from './node.ts';
import type { Tree } from './tree.ts';

const NAMED = 'v';
const DYING = 'd';
const NEXT_PREFIX = { [NAMED]: 'w', [DYING]: 'e' } as const;
/** The key of the generation. */
export const SHARED_KEY = 'g';
/** Of the root of a tree that goes: above all others, so that its turn comes last. */
export const LEVEL_OF_ROOT = 0xff;

const IS_READ_ONLY = 1;
const NAMED_BYTES = CHILD_BYTES + 6 + 6 + 1;
const GENERATION_BYTES = 6;

/** A tree with a name. */
export interface NamedTree {
  readonly root: Child;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Number of the commit that made it. */
  readonly generation: number;
  readonly isReadOnly: boolean;
}

/** A node that goes. */
export interface DyingNode {
  readonly key: string;
  readonly child: Child;
}

export function namedKey(name: string): string {
  return NAMED + name;
}

export function dyingKey(level: number, { address }: Child): string {
  return DYING + String.fromCharCode(level) + numberKey(address);
}

export function isNamedKey(key: string): boolean {
  return key.startsWith(NAMED);
}

export function isDyingKey(key: string): boolean {
  return key.startsWith(DYING);
}

export function nameOf(key: string): string {
  return key.slice(NAMED.length);
}

export function encodeNamed({ root, createdAt, generation, isReadOnly }: NamedTree): Uint8Array {
  const writer = new Writer(NAMED_BYTES);
  writeChild(writer, root);
  writer.u48(createdAt);
  writer.u48(generation);
  writer.u8(isReadOnly ? IS_READ_ONLY : 0);
  return writer.bytes;
}

/** Errors: EIO. */
export function decodeNamed(item: unknown): NamedTree {
  const reader = readerOf(item, NAMED_BYTES);
  const root = readChild(reader);
  const [createdAt, generation] = [reader.u48(), reader.u48()];
  return { root, createdAt, generation, isReadOnly: (reader.u8() & IS_READ_ONLY) !== 0 };
}

export function encodeDying(child: Child): Uint8Array {
  const writer = new Writer(CHILD_BYTES);
  writeChild(writer, child);
  return writer.bytes;
}

/** Errors: EIO. */
export function decodeDying(item: unknown): Child {
  return readChild(readerOf(item, CHILD_BYTES));
}

export function encodeGeneration(generation: number): Uint8Array {
  const writer = new Writer(GENERATION_BYTES);
  writer.u48(generation);
  return writer.bytes;
}

/** Errors: EIO. */
export function decodeGeneration(item: unknown): number {
  return readerOf(item, GENERATION_BYTES).u48();
}

function readerOf(item: unknown, sizeBytes: number): Reader {
  if (!(item instanceof Uint8Array) || item.length !== sizeBytes) throw linuxerr.EIO;
  return new Reader(item);
}

/** The trees with a name, in its order. Errors: EIO. */
export function* namedIn(meta: Tree): Op<[name: string, tree: NamedTree][]> {
  const entries = yield* meta.entries({ from: NAMED, to: NEXT_PREFIX[NAMED] });
  return entries.map(({ key, value }) => [nameOf(key), decodeNamed(value)]);
}

/** The first nodes that go: those of the lowest level. Errors: EIO. */
export function* dyingIn(meta: Tree, limit = Infinity): Op<DyingNode[]> {
  const entries = yield* meta.entries({ from: DYING, to: NEXT_PREFIX[DYING], limit });
  return entries.map(({ key, value }) => ({ key, child: decodeDying(value) }));
}
