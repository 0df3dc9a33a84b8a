// Frames: a header, and a message as its payload. A frame is sent as a whole (one binary message of
// a WebSocket). Mirrors gVisor pkg/lisafs/sock.go (its header), with a second version of ours.
//
// The first header has no tag, so that one request is under way at a time. The second has one. A
// client asks for it with Session, whose own frames have the first.

import { type LinuxError, linuxerr } from '../abi/errno.ts';
import { assert, assertDefined } from '../lib/assert.ts';
import { type FieldTable, struct, type StructField, type StructValues } from '../lib/wire.ts';
import { WireError, WireReader, WireWriter } from '../lib/wire-buffer.ts';
import { padding, rest, u16, u32 } from '../lib/wire-fields.ts';
import { type MessageName, messageNameOf, messageRow } from './messages.ts';
import type { RequestOf, ResponseOf } from './messages.ts';

/** Most bytes of a payload: EIO. gVisor's server has the same, which is 2 MiB less a page. */
export const PAYLOAD_SIZE_MAX = (2 << 20) - 4096;
/** The same until MountResp has said what the server takes. */
export const PROVISIONAL_PAYLOAD_SIZE_MAX = 1 << 20;

/**
 * Most bytes of a payload for a server whose MountResp says `maxMessageSize`. By one of gVisor's
 * comments that is without the header and by another with it, so this is right for both.
 */
export function payloadMaxFor(maxMessageSize: number): number {
  return Math.max(0, maxMessageSize - HEADERS[2].sizeMin);
}

/** 1: the standard's, without tags. 2: with tags. */
export type HeaderVersion = 1 | 2;

/** The tag of what a server sends unasked. */
export const PUSHED = 0;
const TAG_MAX = 0xffff_ffff;

const common = { payloadLen: u32, mid: u16, zero: padding(2) };
const HEADERS = {
  1: struct(common),
  2: struct({ ...common, tag: u32, zero2: padding(4) }),
} as const;

/** Most bytes of a frame, with either header. */
export const FRAME_SIZE_MAX = PAYLOAD_SIZE_MAX + HEADERS[2].sizeMin;

const FRAMES = {
  1: struct({ ...HEADERS[1].table, payload: rest }),
  2: struct({ ...HEADERS[2].table, payload: rest }),
} as const;

export interface FrameOptions {
  readonly headerVersion: HeaderVersion;
  /** Of the request; 0 with the first header. */
  readonly tag: number;
  readonly payloadMax: number;
}

export interface Frame {
  readonly mid: number;
  readonly tag: number;
  readonly payload: Uint8Array;
}

/**
 * A request, or what a server pushes. The frame is in the writer's buffer until that is used again.
 *
 * Errors: EIO if the payload is too large; those of strings that are too long.
 */
export function encodeRequest<Name extends MessageName>(
  writer: WireWriter,
  options: FrameOptions,
  messageName: Name,
  values: RequestOf<Name>,
): Uint8Array<ArrayBuffer> {
  const { mid, sender, request } = messageRow(messageName);
  const isPushed = sender === 'server';
  assert(options.headerVersion === 2 || !isPushed, 'only a frame with a tag can be pushed');
  assert(options.headerVersion === 1 || isPushed === (options.tag === PUSHED), 'a wrong tag');
  return encodeFrame(writer, { ...options, mid }, assertDefined(request), values);
}

/** Errors: as encodeRequest(). */
export function encodeResponse<Name extends MessageName>(
  writer: WireWriter,
  options: FrameOptions,
  messageName: Name,
  values: ResponseOf<Name>,
): Uint8Array<ArrayBuffer> {
  const { mid, response } = messageRow(messageName);
  return encodeFrame(writer, { ...options, mid }, assertDefined(response), values);
}

/** The response to a request that failed. */
export function encodeError(
  writer: WireWriter,
  options: FrameOptions,
  error: LinuxError,
): Uint8Array<ArrayBuffer> {
  return encodeResponse(writer, options, 'Error', { errno: error.errno });
}

function encodeFrame(
  writer: WireWriter,
  { headerVersion, mid, tag, payloadMax }: FrameOptions & { readonly mid: number },
  message: StructField<FieldTable>,
  values: StructValues<FieldTable>,
): Uint8Array<ArrayBuffer> {
  const payloadLen = message.sizeOf(values);
  if (payloadLen > payloadMax) throw linuxerr.EIO;
  assert(headerVersion === 2 || tag === 0, 'this header has no tag');
  writer.begin(HEADERS[headerVersion].sizeMin + payloadLen);
  if (headerVersion === 1) HEADERS[1].write(writer, { payloadLen, mid });
  else HEADERS[2].write(writer, { payloadLen, mid, tag });
  message.write(writer, values);
  return writer.finish();
}

/** A frame of a payload that was encoded before, such as a reply that was kept. */
export function encodePayload(
  { headerVersion, tag }: Omit<FrameOptions, 'payloadMax'>,
  { mid, payload }: Omit<Frame, 'tag'>,
  writer?: WireWriter,
): Uint8Array<ArrayBuffer> {
  const values = { payloadLen: payload.length, mid, payload };
  assert(headerVersion === 2 || tag === 0, 'this header has no tag');
  if (headerVersion === 1) return FRAMES[1].encode(values, writer);
  return FRAMES[2].encode({ ...values, tag }, writer);
}

/**
 * Writes the header that a payload has HEADER_SIZE_MAX bytes of room for before it, in the same
 * memory. Returns the frame, a view.
 */
export function frameWithin(
  room: Uint8Array<ArrayBuffer>,
  mid: number,
  { headerVersion, tag }: Omit<FrameOptions, 'payloadMax'>,
): Uint8Array<ArrayBuffer> {
  assert(headerVersion === 2 || tag === 0, 'this header has no tag');
  const { sizeMin } = HEADERS[headerVersion];
  const start = HEADER_SIZE_MAX - sizeMin;
  const payloadLen = room.length - HEADER_SIZE_MAX;
  const writer = new WireWriter(room.subarray(start, start + sizeMin));
  if (headerVersion === 1) HEADERS[1].encode({ payloadLen, mid }, writer);
  else HEADERS[2].encode({ payloadLen, mid, tag }, writer);
  return room.subarray(start);
}

/** Gives an encoded frame of the second header another tag. */
export function setTag(frame: Uint8Array, tag: number): void {
  assert(tag !== PUSHED, 'a request without a tag');
  const offset = HEADERS[1].sizeMin;
  new DataView(frame.buffer, frame.byteOffset).setUint32(offset, tag, true);
}

/** The payload of a frame that was encoded, as a view. */
export function payloadOf(frame: Uint8Array, headerVersion: HeaderVersion): Uint8Array {
  return frame.subarray(HEADERS[headerVersion].sizeMin);
}

/** Bytes a frame has beside its payload, at most. */
export const HEADER_SIZE_MAX = HEADERS[2].sizeMin;

/**
 * What a message of the transport's holds. `payload` is a view of it.
 *
 * Errors: WireError if it is no frame or its payload is too large.
 */
export function decodeFrame(
  bytes: Uint8Array,
  { headerVersion, payloadMax }: Omit<FrameOptions, 'tag'>,
): Frame {
  const reader = new WireReader(bytes);
  const { payloadLen, mid, payload, tag } =
    headerVersion === 1 ? { ...FRAMES[1].read(reader), tag: 0 } : FRAMES[2].read(reader);
  if (payloadLen !== payload.length) throw reader.refuse(`a payload of ${payloadLen} bytes ends`);
  if (payloadLen > payloadMax) throw reader.refuse(`more than ${payloadMax} bytes of payload end`);
  return { mid, tag, payload };
}

/** The tag after `tag`. After the last one they start again, passing over PUSHED. */
export function nextTag(tag: number): number {
  return tag === TAG_MAX ? PUSHED + 1 : tag + 1;
}

/**
 * True if `tag` was given out before `other`, of two that are not half of all tags apart: nobody
 * has that many requests under way.
 */
export function isTagBefore(tag: number, other: number): boolean {
  return tag !== other && (other - tag) >>> 0 < 2 ** 31;
}

/** A frame for the log, whatever is in it. */
export function printFrame({ mid, tag, payload }: Frame, kind: 'request' | 'response'): string {
  const messageName = messageNameOf(mid);
  const size = `<${payload.length} bytes>`;
  if (messageName === undefined) return `#${tag} message ${mid} ${size}`;
  const row = messageRow(messageName);
  const message = kind === 'request' ? row.request : row.response;
  if (message === undefined) return `#${tag} ${messageName}, which is no ${kind} ${size}`;
  const suffix = row.mid === 0 || kind === 'request' ? '' : 'Resp';
  try {
    return `#${tag} ${messageName}${suffix} ${message.print(message.decode(payload))}`;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return `#${tag} ${messageName}${suffix} ${size}: ${error.message}`;
  }
}
