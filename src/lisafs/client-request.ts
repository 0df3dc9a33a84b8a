// ClientRequest: what a client asks, from the call until the answer, over as many links and
// sessions as that takes. It keeps the bytes it was sent as, to be sent again.

import { linuxerr } from '../abi/errno.ts';
import { assertDefined } from '../lib/assert.ts';
import type { FieldTable, StructValues } from '../lib/wire.ts';
import { WireWriter } from '../lib/wire-buffer.ts';
import { Answered } from '../link/reply.ts';
import { FramePool } from './frame-pool.ts';
import { encodePayload, encodeRequest, type HeaderVersion, payloadOf, setTag } from './frame.ts';
import { type MessageName, messageRow, type RequestOf } from './messages.ts';
import { isReplyKept, replyBytesMax } from './reply-size.ts';

/** What a request says; a function if FD ids in it may be others once a session was lost. */
export type ValuesOf<Name extends MessageName> = RequestOf<Name> | (() => RequestOf<Name>);

type AnyValues = StructValues<FieldTable>;

/**
 * `call`: anybody's. `urgent`: made so that the others can go on. `close`: nobody waits for it, and
 * it is about this session's FDs. `probe`: is there still somebody?
 */
export type RequestKind = 'call' | 'urgent' | 'close' | 'probe';

/** Of a kept reply: what a server needs for it beside its payload. */
const KEPT_REPLY_BYTES = 256;

const NOTHING: AnyValues = {};

/** Of a request with data, what comes before them: a name, too. */
const FIELDS_BYTES_MAX = 1024;

/** Whoever sends a frame has copied it: Transport.send(). */
const pool = new FramePool();

/** Placeholder, until it is sent. */
const ANY_TAG = 1;

export interface SendOptions {
  /**
   * Done twice comes to the same, as nobody else changes what it is about: it is sent again in a
   * new session, in order with others of the kind, where it would fail with EIO as nobody knows.
   */
  readonly isRepeatable?: boolean;
}

interface EncodeOptions {
  readonly headerVersion: HeaderVersion;
  readonly payloadMax: number;
}

export class ClientRequest extends Answered {
  readonly name: MessageName;
  readonly kind: RequestKind;
  /** While it is under way. */
  tag = 0;
  /** Of a reply that the server keeps, at most. */
  keptBytesMax = 0;
  /** A lock that waits for others, for as long as they like. */
  isWaitingLock = false;
  /** Undefined once it is encoded, if it says the same in every session. */
  #values: AnyValues | (() => AnyValues) | undefined;
  #frame: Uint8Array | undefined;
  /** Bytes to be written, with which the message ends: whoever gave them may have changed them. */
  #dataSize = 0;
  #data: Uint8Array | undefined;
  #frameVersion: HeaderVersion = 2;
  readonly #isRepeatable: boolean;

  constructor(
    name: MessageName,
    values: AnyValues | (() => AnyValues),
    kind: RequestKind,
    { isRepeatable = false }: SendOptions = {},
  ) {
    super();
    this.name = name;
    this.kind = kind;
    this.#values = values;
    this.#isRepeatable = isRepeatable;
  }

  static ping(): ClientRequest {
    return new ClientRequest('Ping', NOTHING, 'probe');
  }

  get mid(): number {
    return messageRow(this.name).mid;
  }

  /** May be done twice. */
  get isRetrySafe(): boolean {
    return messageRow(this.name).isRetrySafe;
  }

  /** May be done in another session as well. */
  get isRepeatable(): boolean {
    return this.#isRepeatable || this.isRetrySafe;
  }

  /**
   * Encodes what isn't yet. Errors: EIO if it is too large for the server; those of strings; those
   * of the function that says what it asks.
   */
  encode({ headerVersion, payloadMax }: EncodeOptions): void {
    if (this.#frame === undefined) this.#encodeAnew(headerVersion, payloadMax);
    else if (headerVersion !== this.#frameVersion) this.#reframe(headerVersion);
    this.#frameVersion = headerVersion;
    const payload = payloadOf(assertDefined(this.#frame), headerVersion);
    if (payload.length > payloadMax) throw linuxerr.EIO;
  }

  #encodeAnew(headerVersion: HeaderVersion, payloadMax: number): void {
    const source = assertDefined(this.#values, 'a request has nothing to say');
    const asked = typeof source === 'function' ? source() : source;
    const values = this.#data === undefined ? asked : { ...asked, data: this.#data };
    // The bytes of a write are copied here, and nowhere else.
    const { data } = values as Partial<RequestOf<'PWrite'>>;
    this.#dataSize = data?.length ?? 0;
    const size = data === undefined ? 0 : data.length + FIELDS_BYTES_MAX;
    const writer = new WireWriter(pool.take(size));
    const tag = headerVersion === 2 ? ANY_TAG : 0;
    const options = { headerVersion, tag, payloadMax };
    this.#frame = encodeRequest(writer, options, this.name, values as never);
    this.isWaitingLock = this.name === 'SetLock' && (values as RequestOf<'SetLock'>).wait;
    const bytesMax = KEPT_REPLY_BYTES + replyBytesMax(this.name, values, payloadMax);
    this.keptBytesMax = isReplyKept(this.name, values) ? bytesMax : 0;
    if (typeof source !== 'function') this.#values = undefined;
  }

  /** The server that is there now speaks the other header. */
  #reframe(headerVersion: HeaderVersion): void {
    const payload = payloadOf(assertDefined(this.#frame), this.#frameVersion);
    const tag = headerVersion === 2 ? ANY_TAG : 0;
    this.#frame = encodePayload({ headerVersion, tag }, { mid: this.mid, payload });
  }

  /** The FD ids in it mean nothing any more. */
  onSessionLost(): void {
    this.tag = 0;
    const frame = this.#frame;
    if (this.#values === undefined || frame === undefined) return;
    if (this.#dataSize > 0) this.#data = frame.subarray(frame.length - this.#dataSize);
    this.#frame = undefined;
  }

  /** As it goes over the link. Preconditions: it is encoded. */
  frame(): Uint8Array {
    const frame = assertDefined(this.#frame, 'a request is sent before it is encoded');
    if (this.#frameVersion === 2) setTag(frame, this.tag);
    return frame;
  }

  protected override forget(): void {
    if (this.#frame !== undefined) pool.give(this.#frame);
    this.#frame = this.#data = undefined;
    this.#values = undefined;
  }
}
