// Replies as a server keeps and sends them: a payload with room before it for the frame's header.
// What is read from a file goes to where the frame has it, and is copied nowhere.

import { type LinuxError, linuxerr } from '../abi/errno.ts';
import type { FieldTable, StructValues } from '../lib/wire.ts';
import { assertDefined } from '../lib/assert.ts';
import { WireWriter } from '../lib/wire-buffer.ts';
import { FramePool } from './frame-pool.ts';
import { frameWithin, HEADER_SIZE_MAX, type HeaderVersion } from './frame.ts';
import { MESSAGES, type MessageName, messageRow, type ResponseOf } from './messages.ts';

/** What a frame has before the data of a reply to PRead. */
const READ_LEAD = HEADER_SIZE_MAX + MESSAGES.PRead.response.sizeMin;

const pool = new FramePool();

/** Where to read `count` bytes to, for a reply to PRead. */
export function roomToRead(count: number): Uint8Array<ArrayBuffer> {
  return pool.take(READ_LEAD + count).subarray(READ_LEAD, READ_LEAD + count);
}

export class Reply {
  readonly mid: number;
  /** Room for a header, then the payload. */
  readonly #room: Uint8Array<ArrayBuffer>;

  private constructor(mid: number, room: Uint8Array<ArrayBuffer>) {
    this.mid = mid;
    this.#room = room;
  }

  /** Errors: EIO if it has more than `payloadMax` bytes; those of strings that are too long. */
  static to(name: MessageName, values: StructValues<FieldTable>, payloadMax: number): Reply {
    const { mid, response } = messageRow(name);
    const table = assertDefined(response);
    const size = table.sizeOf(values);
    if (size > payloadMax) throw linuxerr.EIO;
    const { data } = values as Partial<ResponseOf<'PRead'>>;
    const isInPlace = name === 'PRead' && data?.byteOffset === READ_LEAD;
    const buffer = isInPlace
      ? (data.buffer as ArrayBuffer)
      : new ArrayBuffer(HEADER_SIZE_MAX + size);
    const room = new Uint8Array(buffer, 0, HEADER_SIZE_MAX + size);
    table.encode(values, new WireWriter(room.subarray(HEADER_SIZE_MAX)));
    return new Reply(mid, room);
  }

  static error({ errno }: LinuxError): Reply {
    return Reply.to('Error', { errno }, Infinity);
  }

  /** Of the payload. */
  get size(): number {
    return this.#room.length - HEADER_SIZE_MAX;
  }

  /** 0 if it is none of an error. */
  get errno(): number {
    const { mid, response } = MESSAGES.Error;
    return this.mid === mid ? response.decode(this.#room.subarray(HEADER_SIZE_MAX)).errno : 0;
  }

  /** It isn't needed any more, unless it is kept: what was read never is. */
  sent(): void {
    if (this.mid === MESSAGES.PRead.mid) pool.give(this.#room);
  }

  /** A view of its memory. */
  frame(headerVersion: HeaderVersion, tag: number): Uint8Array<ArrayBuffer> {
    return frameWithin(this.#room, this.mid, { headerVersion, tag });
  }
}
