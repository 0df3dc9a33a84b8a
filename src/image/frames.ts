// The format of images: what a store holds, items and data in the order of keys, in frames that
// are checked. It doesn't depend on how the store keeps them. Little-endian.
//
// | bytes | field                                                                             |
// | ----- | --------------------------------------------------------------------------------- |
// | 12    | "burrow image"                                                                    |
// | then frames:                                                                               |
// | u32   | size of the payload, at most 1 MiB                                                |
// | u32   | XXH32 of kind and payload                                                         |
// | u8    | kind                                                                              |
// | …     | payload                                                                           |
//
// | kind | payload                                                                            |
// | ---- | ---------------------------------------------------------------------------------- |
// | 1    | the first: JSON, UTF-8: { version: 1, source, exportedAt }                         |
// | 2    | items; each: u16 units of its key, these (u16 each), u32 size of the value, value  |
// | 3    | blocks: f64 object, f64 offset in bytes, then the bytes; what is cut off is zeros  |
// | 4    | the last: f64 number of items, f64 bytes of blocks                                 |

import { damaged } from '../archive/archive-error.ts';
import type { ByteReader } from '../archive/byte-reader.ts';
import type { ByteSink } from '../archive/byte-sink.ts';

export const MAGIC = new TextEncoder().encode('burrow image');
export const IMAGE_VERSION = 1;
export const FRAME = { header: 1, items: 2, blocks: 3, end: 4 } as const;
const PAYLOAD_SIZE_MAX = 1 << 20;
/** Object and offset of a frame of blocks. */
export const BLOCKS_HEADER_SIZE = 16;
const FRAME_HEADER_SIZE = 9;

export type Checksum = (bytes: Uint8Array) => number;

export interface Frame {
  readonly kind: number;
  readonly payload: Uint8Array;
}

export async function writeFrame(
  sink: ByteSink,
  checksum: Checksum,
  { kind, payload }: Frame,
): Promise<void> {
  const bytes = new Uint8Array(FRAME_HEADER_SIZE + payload.length);
  bytes[FRAME_HEADER_SIZE - 1] = kind;
  bytes.set(payload, FRAME_HEADER_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length, true);
  view.setUint32(4, checksum(bytes.subarray(FRAME_HEADER_SIZE - 1)), true);
  await sink.write(bytes);
}

/** Errors: ArchiveError if there is none that is whole. */
export async function readFrame(reader: ByteReader, checksum: Checksum): Promise<Frame> {
  const header = await reader.read(FRAME_HEADER_SIZE);
  if (header.length < FRAME_HEADER_SIZE) throw cutOff();
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  const size = view.getUint32(0, true);
  const expected = view.getUint32(4, true);
  if (size > PAYLOAD_SIZE_MAX) throw damaged('the image is damaged: a part of it is too large');
  const checked = new Uint8Array(1 + size);
  checked[0] = header[FRAME_HEADER_SIZE - 1] ?? 0;
  const payload = await reader.read(size);
  if (payload.length < size) throw cutOff();
  checked.set(payload, 1);
  if (checksum(checked) !== expected) {
    throw damaged(`the image is damaged, before byte ${reader.taken}`);
  }
  return { kind: checked[0], payload: checked.subarray(1) };
}

function cutOff(): Error {
  return damaged('the image is cut off: it has no end');
}
