// P9Request: what a client asks, from the call until the answer, over as many links as that takes.

import { linuxerr } from '../abi/errno.ts';
import { O_TRUNC } from '../abi/fcntl.ts';
import type { Op } from '../lib/op.ts';
import { WireWriter } from '../lib/wire-buffer.ts';
import { Answered } from '../link/reply.ts';
import { encodeT, MSIZE_MAX } from './frame.ts';
import type { MessageName, TMessage } from './messages.ts';

/**
 * `call`: anybody's. `urgent`: made so that the others can go on. `clunk`: nobody waits for it.
 * `probe`: is there still somebody?
 */
export type RequestKind = 'call' | 'urgent' | 'clunk' | 'probe';

/**
 * Done twice, they do what they do once, unless somebody else has changed it meanwhile: see
 * isChange. A fid they make is not there in a new session.
 */
const RETRY_SAFE: ReadonlySet<MessageName> = new Set([
  'statfs',
  'lopen',
  'readlink',
  'getattr',
  'setattr',
  'listxattr',
  'xattrwalk',
  'getxattr',
  'readdir',
  'fsync',
  'walk',
  'read',
  'write',
  'walkgetattr',
  'multigetattr',
]);

/** Where the tag is in a frame: after size and type. */
const TAG_OFFSET = 5;

/** The fields of any message, and those that are looked at here. */
interface Values extends Readonly<Record<string, unknown>> {
  readonly fid?: number;
  readonly newfid?: number;
  readonly dfid?: number;
  readonly olddfid?: number;
  readonly newdfid?: number;
  readonly name?: string;
  readonly names?: readonly string[];
  readonly flags?: number;
  readonly offset?: number | bigint;
  readonly count?: number;
  readonly data?: Uint8Array;
}

export interface RequestOptions {
  readonly kind: RequestKind;
  /** Called if whoever waited has been interrupted, and nobody else waits. */
  readonly onAbandoned?: (request: P9Request) => void;
}

export class P9Request extends Answered {
  readonly name: MessageName;
  readonly kind: RequestKind;
  readonly values: Values;
  /** While it is under way. */
  tag: number | undefined;
  /** Nobody wants to know. */
  isAbandoned = false;
  readonly #onAbandoned: ((request: P9Request) => void) | undefined;
  #frame: Uint8Array | undefined;
  #waiterCount = 0;

  constructor(
    name: MessageName,
    values: Readonly<Record<string, unknown>>,
    { kind, onAbandoned }: RequestOptions,
  ) {
    super();
    this.name = name;
    this.kind = kind;
    this.values = values;
    this.#onAbandoned = onAbandoned;
  }

  get isRetrySafe(): boolean {
    return RETRY_SAFE.has(this.name);
  }

  /** It says how a file is to be, whatever it was. */
  get isChange(): boolean {
    const { name, values } = this;
    const truncates = name === 'lopen' && ((values.flags ?? 0) & O_TRUNC) !== 0;
    return name === 'write' || name === 'setattr' || truncates;
  }

  /** The fids that have to be there. */
  get fids(): readonly number[] {
    if (this.name === 'attach' || this.name === 'version') return [];
    const { fid, dfid, olddfid, newdfid } = this.values;
    return [fid, dfid, olddfid, newdfid].filter((each) => typeof each === 'number');
  }

  /** The fid that is there once it is done. */
  get madeFid(): number | undefined {
    const { fid, newfid } = this.values;
    return this.name === 'attach' ? fid : newfid;
  }

  /** Copies what it says. Errors: EIO if that is too large for any server; those of strings. */
  encode(): void {
    if (this.#frame !== undefined) return;
    // Of just that size: the bytes of a write are copied here, and nowhere else.
    const writer = new WireWriter(new Uint8Array(0));
    const options = { tag: 0, msize: MSIZE_MAX };
    this.#frame = encodeT(writer, options, this.name, this.values as TMessage<MessageName>);
  }

  /** As it goes over the link. Errors: EIO if that is too large for this server. */
  frame(tag: number, msize: number): Uint8Array {
    this.encode();
    const frame = this.#frame ?? new Uint8Array(0);
    if (frame.length > msize) throw linuxerr.EIO;
    new DataView(frame.buffer, frame.byteOffset).setUint16(TAG_OFFSET, tag, true);
    this.tag = tag;
    return frame;
  }

  protected override forget(): void {
    this.#frame = undefined;
  }

  override *wait(): Op<unknown> {
    this.#waiterCount++;
    try {
      return yield* super.wait();
    } finally {
      this.#waiterCount--;
      this.#checkAbandoned();
    }
  }

  #checkAbandoned(): void {
    const isWanted = this.isSettled || this.#waiterCount > 0 || this.isAbandoned;
    if (isWanted || this.#onAbandoned === undefined) return;
    // What changes something is done all the same; others may rely on it.
    if (!this.isRetrySafe || this.isChange) return;
    this.abandon();
  }

  /** It fails with EINTR, unless it has just been done. */
  abandon(): void {
    if (this.isSettled || this.isAbandoned) return;
    this.isAbandoned = true;
    this.#onAbandoned?.(this);
  }
}
