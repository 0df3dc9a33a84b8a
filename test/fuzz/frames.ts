// Fuzzed frames for the decoders of lisafs and 9P: valid ones whose numbers, lengths and parts are
// changed where their tables say that these are, so that most get past the header, and random ones.
//
// A decoder may throw WireError and nothing else. What it makes of a frame holds no more than the
// frame's bytes, and can be encoded again as the same message. No `expect` here: it takes longer
// than all else.

import { assertDefined } from '../../src/lib/assert.ts';
import {
  ArrayField,
  type FieldTable,
  OptionalField,
  PackedField,
  type StructField,
  type StructValues,
} from '../../src/lib/wire.ts';
import { WireError } from '../../src/lib/wire-buffer.ts';
import {
  BigU64Field,
  BooleanField,
  BytesField,
  type Field,
  HostStringField,
  IntegerField,
  PaddingField,
  RestField,
  StringField,
  TrailingField,
} from '../../src/lib/wire-fields.ts';
import { isStruct } from '../wire/any-values.ts';
import { damage, type Layout } from '../wire/message-checks.ts';

export type Random = (limit: number) => number;
type Bytes = Uint8Array<ArrayBuffer>;

/** A message of one of the protocols, out of a frame. */
export interface DecodedMessage {
  readonly table: StructField<FieldTable>;
  readonly payload: Uint8Array;
}

/** One of the decoders. */
export interface FrameCodec {
  readonly name: string;
  readonly headerSize: number;
  readonly layouts: readonly Layout[];
  /** A valid frame of a layout. */
  frameOf(layout: Layout, values: StructValues<FieldTable>): Bytes;
  /** Makes the length in the header right. */
  settle(frame: Bytes): void;
  /** Errors: WireError. Undefined for a message that isn't known. */
  decode(frame: Uint8Array): DecodedMessage | undefined;
  /** For the log, whatever is in it. */
  print(frame: Uint8Array): void;
}

/** Where a frame has a number, or a length of what follows. */
interface Mark {
  readonly at: number;
  readonly size: number;
  readonly isLength: boolean;
}

/** A valid frame to begin with. */
export interface Seedling {
  readonly bytes: Bytes;
  readonly marks: readonly Mark[];
}

export function seedlingOf(
  codec: FrameCodec,
  layout: Layout,
  values: StructValues<FieldTable>,
): Seedling {
  const bytes = codec.frameOf(layout, values);
  const marks: Mark[] = [];
  const end = new Marker(bytes, marks).take(layout.table, codec.headerSize);
  if (end !== bytes.length) throw new Error(`${layout.name} ends at ${end} of ${bytes.length}`);
  return { bytes, marks };
}

/** Goes through a valid message by its table. */
class Marker {
  readonly #bytes: Bytes;
  readonly #view: DataView;
  readonly #marks: Mark[];

  constructor(bytes: Bytes, marks: Mark[]) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#marks = marks;
  }

  #number(at: number, size: number): number {
    if (size === 1) return this.#view.getUint8(at);
    if (size === 2) return this.#view.getUint16(at, true);
    if (size === 4) return this.#view.getUint32(at, true);
    return Number(this.#view.getBigUint64(at, true));
  }

  #mark(at: number, size: number, isLength: boolean): number {
    this.#marks.push({ at, size, isLength });
    return this.#number(at, size);
  }

  /** Returns where the field ends. */
  take(field: Field<unknown>, start: number): number {
    if (isStruct(field)) {
      return Object.values(field.table).reduce((at, part) => this.take(part, at), start);
    }
    const { sizeMin } = field;
    const behind = start + sizeMin;
    if (field instanceof PaddingField) return behind;
    if (field instanceof RestField) return this.#bytes.length;
    if (field instanceof TrailingField) {
      return start === this.#bytes.length ? start : this.take(field.field, start);
    }
    const isNumber = field instanceof IntegerField || field instanceof BigU64Field;
    if (isNumber || field instanceof BooleanField) {
      this.#mark(start, sizeMin, false);
      return behind;
    }
    const length = this.#mark(start, sizeMin, true);
    if (field instanceof OptionalField) {
      return length === 0 ? behind : this.take(field.field, behind);
    }
    if (field instanceof ArrayField) {
      let at = behind;
      for (let count = 0; count < length; count++) at = this.take(field.element, at);
      return at;
    }
    if (field instanceof PackedField) {
      let at = behind;
      while (at < behind + length) at = this.take(field.element, at);
      return at;
    }
    const hasBytes = field instanceof StringField || field instanceof HostStringField;
    if (hasBytes || field instanceof BytesField) return behind + length;
    throw new Error(`no way through ${field.label}`);
  }
}

const INTERESTING = [
  ...[0n, 1n, 2n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fff_ffffn, 0x8000_0000n],
  ...[0xffff_ffffn, 0x1_0000_0000n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n],
  2n ** 64n - 1n,
];

function put(bytes: Bytes, { at, size }: Mark, value: bigint): void {
  for (let index = 0; index < size && at + index < bytes.length; index++) {
    bytes[at + index] = Number((value >> BigInt(8 * index)) & 0xffn);
  }
}

function anyNumber(random: Random, frame: Bytes, { at, size }: Mark): bigint {
  const left = frame.length - at - size;
  switch (random(4)) {
    case 0:
      return assertDefined(INTERESTING[random(INTERESTING.length)]);
    case 1:
      return BigInt(Math.max(0, left - 1 + random(3)));
    case 2:
      return BigInt((frame[at] ?? 0) + random(3)) - 1n;
    default:
      return BigInt(random(0x1_0000)) << BigInt(random(48));
  }
}

/** Another frame that is nearly as good. */
function mutate({ bytes, marks }: Seedling, other: Seedling, random: Random): Bytes {
  const frame = bytes.slice();
  const at = random(frame.length);
  const mark = marks[random(Math.max(1, marks.length))];
  switch (random(8)) {
    case 0:
    case 1:
    case 2:
      if (mark !== undefined) put(frame, mark, anyNumber(random, frame, mark));
      return frame;
    case 3:
      for (let count = 1 + random(3); count > 0; count--) {
        frame[random(frame.length)]! ^= 1 << random(8);
      }
      return frame;
    case 4: {
      // The end of another message.
      const from = random(other.bytes.length);
      return joined(frame.subarray(0, at), other.bytes.subarray(from));
    }
    case 5: {
      // A part of it is missing, or there twice.
      const [start, end] = [at, at + random(frame.length - at + 1)];
      const rest = frame.subarray(random(2) === 0 ? end : start);
      return joined(frame.subarray(0, end), rest);
    }
    case 6:
      return joined(frame.subarray(0, at), new Uint8Array(0));
    default:
      frame.set(other.bytes.subarray(0, Math.min(8, frame.length)));
      return frame;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Bytes {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Each of these sizes is asked for: no more, so that millions take minutes. */
const RANDOM_SIZE_MAX = 120;
/** Of ten frames so many are mutated by their tables, and have a right length mostly. */
const MUTATED_OF_TEN = 7;

export function fuzzedFrame(
  codec: FrameCodec,
  seedlings: readonly Seedling[],
  random: Random,
): Bytes {
  const seedling = assertDefined(seedlings[random(seedlings.length)]);
  const way = random(10);
  if (way < MUTATED_OF_TEN) {
    const other = assertDefined(seedlings[random(seedlings.length)]);
    let frame = mutate(seedling, other, random);
    if (random(3) === 0 && frame.length > 0) {
      frame = mutate({ bytes: frame, marks: seedling.marks }, other, random);
    }
    if (random(8) > 0 && frame.length >= codec.headerSize) codec.settle(frame);
    return frame;
  }
  if (way < 9) return damage(seedling.bytes, random) as Bytes;
  const frame = new Uint8Array(random(RANDOM_SIZE_MAX));
  for (let index = 0; index < frame.length; index++) frame[index] = random(256);
  if (random(2) === 0 && frame.length >= codec.headerSize) codec.settle(frame);
  return frame;
}

/** Values that a message has: each takes at least a byte of it. */
function weigh(value: unknown, message: Uint8Array): number {
  if (typeof value === 'string') return value.length;
  if (value instanceof Uint8Array) {
    if (value.buffer !== message.buffer) throw new Error('bytes that are a copy');
    return value.length;
  }
  if (typeof value !== 'object' || value === null) return 1;
  let sum = 0;
  for (const part of Object.values(value)) sum += weigh(part, message);
  return sum;
}

function checkSame(bytes: Uint8Array, others: Uint8Array): void {
  const isSame = bytes.length === others.length && bytes.every((byte, at) => byte === others[at]);
  if (!isSame) throw new Error('encoded again it is another message');
}

/** Returns what message it is; undefined if it was refused. Errors: anything that is a bug. */
export function survive(codec: FrameCodec, frame: Uint8Array): DecodedMessage | undefined {
  try {
    const message = codec.decode(frame);
    if (message === undefined) return undefined;
    const { table, payload } = message;
    const values = table.decode(payload);
    if (weigh(values, payload) > payload.length) throw new Error('more than there was');
    const again = table.encode(values);
    if (again.length !== payload.length) throw new Error('encoded again it has another size');
    // Zeros are not looked at; so are they told apart.
    checkSame(table.encode(table.decode(again)), again);
    return message;
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
