// 9P frames: size (its own four bytes count, too), type, tag, and the message. One is sent as a
// whole (one binary message of a WebSocket). 9P: intro(5).

import { type LinuxError, linuxerr } from '../abi/errno.ts';
import { assertDefined } from '../lib/assert.ts';
import { type FieldTable, struct, type StructField, type StructValues } from '../lib/wire.ts';
import { WireError, WireReader, type WireWriter } from '../lib/wire-buffer.ts';
import { rest, u16, u32, u8 } from '../lib/wire-fields.ts';
import {
  type MessageName,
  messageOfType,
  messageRow,
  MESSAGES,
  type RMessage,
  type TMessage,
} from './messages.ts';

/** The largest msize: gVisor's server has EINVAL for a larger one. */
export const MSIZE_MAX = 1 << 20;
/** Payloads of reads and writes are so many bytes, or a multiple: what filesystems like. */
const PAYLOAD_UNIT = 512;

const HEADER = struct({ size: u32, type: u8, tag: u16 });
const FRAME = struct({ ...HEADER.table, body: rest });

export const HEADER_SIZE = HEADER.sizeMin;

export interface FrameOptions {
  readonly tag: number;
  /** Most bytes of a frame, as Rversion has it. */
  readonly msize: number;
}

export interface Frame {
  readonly type: number;
  readonly tag: number;
  readonly body: Uint8Array;
}

/**
 * A request. The frame is in the writer's buffer until that is used again.
 *
 * Errors: EIO if it is too large; those of strings that are too long.
 */
export function encodeT<Name extends MessageName>(
  writer: WireWriter,
  options: FrameOptions,
  messageName: Name,
  values: TMessage<Name>,
): Uint8Array<ArrayBuffer> {
  const { type, T } = messageRow(messageName);
  return encodeFrame(writer, { ...options, type }, assertDefined(T), values);
}

/** A response. Errors: as encodeT(). */
export function encodeR<Name extends MessageName>(
  writer: WireWriter,
  options: FrameOptions,
  messageName: Name,
  values: RMessage<Name>,
): Uint8Array<ArrayBuffer> {
  const { type, R } = messageRow(messageName);
  return encodeFrame(writer, { ...options, type: type + 1 }, R, values);
}

/** The response to a request that failed. */
export function encodeError(
  writer: WireWriter,
  options: FrameOptions,
  error: LinuxError,
): Uint8Array<ArrayBuffer> {
  return encodeR(writer, options, 'lerror', { ecode: error.errno });
}

function encodeFrame(
  writer: WireWriter,
  { type, tag, msize }: FrameOptions & { readonly type: number },
  message: StructField<FieldTable>,
  values: StructValues<FieldTable>,
): Uint8Array<ArrayBuffer> {
  const size = HEADER_SIZE + message.sizeOf(values);
  if (size > msize) throw linuxerr.EIO;
  writer.begin(size);
  HEADER.write(writer, { size, type, tag });
  message.write(writer, values);
  return writer.finish();
}

/**
 * What a message of the transport's holds. `body` is a view of it.
 *
 * Errors: WireError if it is no frame or too large. The connection can't go on then; after one of a
 * body it can, with an Rlerror.
 */
export function decodeFrame(bytes: Uint8Array, msize: number): Frame {
  const reader = new WireReader(bytes);
  const { size, type, tag, body } = FRAME.read(reader);
  if (size !== bytes.length) throw reader.refuse(`a frame of ${size} bytes ends`);
  const sizeMax = Math.min(msize, MSIZE_MAX);
  if (size > sizeMax) throw reader.refuse(`a frame of more than ${sizeMax} bytes ends`);
  return { type, tag, body };
}

const fixedSizeMax = Math.max(
  ...Object.keys(MESSAGES).flatMap((messageName) => {
    const { T, R } = messageRow(messageName as MessageName);
    return [T?.sizeMin ?? 0, R.sizeMin];
  }),
);

/** Most bytes to read or write at once. 0 if there is no room for any. */
export function payloadSizeMax(msize: number): number {
  const room = Math.max(0, msize - HEADER_SIZE - fixedSizeMax);
  return room - (room % PAYLOAD_UNIT);
}

/** A frame for the log, whatever is in it. */
export function printFrame({ type, tag, body }: Frame): string {
  const size = `<${body.length} bytes>`;
  const message = messageOfType(type);
  if (message === undefined) return `#${tag} message ${type} ${size}`;
  const { name, kind } = message;
  const table = assertDefined(messageRow(name)[kind]);
  try {
    return `#${tag} ${kind}${name} ${table.print(table.decode(body))}`;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return `#${tag} ${kind}${name} ${size}: ${error.message}`;
  }
}
